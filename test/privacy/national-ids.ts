/**
 * Numbers that authorities and documentations publish as examples, of nobody: what the recognisers are tried on, and from
 * which others of the same form are made.
 */
export interface ExampleId {
  country: string;
  /** As it is written there. */
  written: string;
  /** A sentence that has it in place of `#`. */
  sentence: string;
  /** Whether it has a check digit. */
  checked: boolean;
}

const row = (country: string, written: string, sentence: string, checked = true): ExampleId => ({
  country,
  written,
  sentence,
  checked,
});

export const exampleIds: readonly ExampleId[] = [
  row('US', '219-09-9999', 'My SSN is #, please keep it safe.', false),
  row('NL', '111222333', 'Mijn BSN is #.'),
  row('PT', '501442600', 'O meu NIF é #, obrigado.'),
  row('CA', '123 456 782', 'My social insurance number is #.'),
  row('AU', '123 456 782', 'Tax file number: #'),
  row('GR', '090000045', 'ΑΦΜ: #'),
  row('GB', '943 476 5919', 'NHS number # as printed on the letter.'),
  row('SE', '811228-9874', 'Mitt personnummer är #.'),
  row('DK', '070761-4285', 'Mit CPR-nummer er #.', false),
  row('AT', '1237 010180', 'SVNr: #'),
  row('CZ', '710319/2745', 'Rodné číslo #'),
  row('BG', '7523169263', 'ЕГН #'),
  row('PL', '44051401359', 'Mój PESEL to #.'),
  row('BR', '529.982.247-25', 'Meu CPF é #.'),
  row('BR', '11.222.333/0001-81', 'CNPJ da empresa: #'),
  row('NO', '151086 95088', 'Fødselsnummeret mitt er #.'),
  row('BE', '85.07.30-033.28', 'Mijn rijksregisternummer is #.'),
  row('DE', '36 574 261 809', 'Meine Steuer-ID lautet #.'),
  row('TR', '10000000146', 'T.C. kimlik no #'),
  row('HR', '33392005961', 'OIB: #'),
  row('EE', '36805280109', 'Minu isikukood on #.'),
  row('GR', '01013099997', 'ΑΜΚΑ: #'),
  row('AR', '20-05536168-2', 'Mi CUIT es #.'),
  row('IN', '2341 2341 2346', 'Aadhaar number #'),
  row('JP', '123456789018', 'マイナンバーは#です。'),
  row('KR', '971013-9019902', '주민등록번호는 #입니다.'),
  row('ZA', '7503305044089', 'My South African ID number is #.'),
  row('RO', '1630615123457', 'CNP-ul meu este #.'),
  row('CH', '756.9217.0769.85', 'AHV-Nummer #'),
  row('FR', '2 95 10 99 126 111 93', 'Mon numéro de sécurité sociale est #.'),
  row('CN', '11010519491231002X', '身份证号码是#，谢谢。'),
  row('ES', '54362315-K', 'Mi DNI es #.'),
  row('ES', 'X2482300W', 'NIE #'),
  row('IT', 'RCCMNL83S18D969H', 'Il mio codice fiscale è #.'),
  row('FI', '131052-308T', 'Henkilötunnukseni on #.'),
  row('IE', '6433435F', 'My PPS number is #.'),
  row('CL', '12.531.909-2', 'Mi RUT es #.'),
  row('MX', 'BOXW310820HNERXN09', 'Mi CURP es #.'),
  row('PL', 'ABA300000', 'Nr dowodu osobistego: #'),
  row('BE', '000-0011032-71', 'Carte d’identité #'),
  row('GB', 'JK 48 21 07 B', 'My National Insurance number is #.', false),
];
