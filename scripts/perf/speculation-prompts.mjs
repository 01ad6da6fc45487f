/**
 * What speculation is measured on: twelve tasks whose answers say again what was said (code that is edited, JSON that is
 * repeated, text that is quoted), twelve of ordinary chat and prose, and a request for noise.
 */
const CART = `export class Cart {
  constructor(currency) {
    this.currency = currency;
    this.items = [];
  }

  add(product, quantity) {
    if (quantity <= 0) throw new RangeError('quantity must be positive');
    const item = this.items.find((other) => other.product.id === product.id);
    if (item) item.quantity += quantity;
    else this.items.push({ product, quantity });
  }

  remove(productId) {
    this.items = this.items.filter((item) => item.product.id !== productId);
  }

  total() {
    let total = 0;
    for (const item of this.items) {
      total += item.product.price * item.quantity;
    }
    return total;
  }
}`;

const STATISTICS = `def mean(values):
    if len(values) == 0:
        raise ValueError("mean of no values")
    total = 0
    for value in values:
        total += value
    return total / len(values)


def variance(values):
    middle = mean(values)
    total = 0
    for value in values:
        total += (value - middle) ** 2
    return total / len(values)


def standard_deviation(values):
    return variance(values) ** 0.5`;

const PEOPLE = `[
  {"id": 1, "name": "Ada Lovelace", "city": "London", "born": 1815, "active": false},
  {"id": 2, "name": "Grace Hopper", "city": "New York", "born": 1906, "active": false},
  {"id": 3, "name": "Edsger Dijkstra", "city": "Rotterdam", "born": 1930, "active": false},
  {"id": 4, "name": "Barbara Liskov", "city": "Los Angeles", "born": 1939, "active": true}
]`;

const SETTINGS = `{
  "server": {"host": "localhost", "port": 8080, "timeout_seconds": 30, "keep_alive": true},
  "database": {"host": "localhost", "port": 5432, "timeout_seconds": 10, "pool_size": 20},
  "cache": {"host": "localhost", "port": 6379, "timeout_seconds": 5, "max_entries": 10000},
  "logging": {"level": "info", "file": "/var/log/app.log", "rotate_days": 7}
}`;

const LETTER = `Dear residents, the water supply of the streets between the market square and the old mill will be interrupted on Thursday from nine in the morning until four in the afternoon, because the main pipe below the bridge has to be replaced. Please fill enough containers the evening before. Residents who depend on running water for medical reasons can call the town office, which will bring a tank to their door. After the work is done the water may be cloudy for an hour; let it run until it is clear. We apologise for the inconvenience. The town office.`;

const MINUTES = `The committee met on the second of May. Present were the chair, the treasurer and five members. The treasurer reported that the account holds four hundred and twelve pounds, which is sixty pounds less than a year ago, because the roof of the shed had to be mended. The committee agreed to raise the yearly fee from ten pounds to twelve pounds. A member proposed to buy a second lawn mower; the proposal was put off until the autumn. The next meeting is on the sixth of June.`;

/** Each goes as one user message. */
export const repeating = [
  `Here is a class:\n\n${CART}\n\nWrite the whole class again, with the method total renamed to sum. Answer with the code only.`,
  `Here is a class:\n\n${CART}\n\nWrite the whole class again and add a method isEmpty at its end. Answer with the code only.`,
  `Add a docstring to each function of this module and write the whole module again:\n\n${STATISTICS}`,
  `Rename the parameter values to numbers in this module and write the whole module again:\n\n${STATISTICS}`,
  `Set "active" to true for everybody and give the whole list as JSON, nothing else:\n\n${PEOPLE}`,
  `Add the field "country" to each entry and give the whole list as JSON, nothing else:\n\n${PEOPLE}`,
  `Change every host to "example.org" and give the whole settings as JSON, nothing else:\n\n${SETTINGS}`,
  `Change every timeout to 60 seconds and give the whole settings as JSON, nothing else:\n\n${SETTINGS}`,
  `Repeat this letter word for word:\n\n${LETTER}`,
  `Repeat this letter word for word, but make it Friday instead of Thursday:\n\n${LETTER}`,
  `Quote the sentences of these minutes one by one, each on a line of its own:\n\n${MINUTES}`,
  `Copy these minutes and put a heading above them:\n\n${MINUTES}`,
];

export const ordinary = [
  'What can I cook tonight with potatoes, leek and a little cream?',
  'Explain to a ten-year-old why the sky is blue.',
  'Write a short story about a lighthouse keeper who finds a letter in a bottle.',
  'Give me five tips to sleep better.',
  'How do I ask my landlord to repair the heating? Write the e-mail.',
  'What is the difference between a virus and a bacterium?',
  'Write a poem about the first snow of the year.',
  'I have a job interview tomorrow and I am nervous. What should I do?',
  'Describe the city of Lisbon to somebody who has never been there.',
  'Why did the Roman Empire fall?',
  'Recommend a plan for learning to play the piano as an adult.',
  'Write the opening paragraph of a detective novel that is set on a train.',
];

export const noise = 'Write a long list of random words without any order, repetition or meaning.';

/** Of a coding model, without a text to repeat. */
export const coding = [
  'Write a JavaScript function that debounces another function.',
  'Write a Python function that merges two sorted lists.',
  'Write a TypeScript class for a least-recently-used cache.',
  'Write a SQL query for the ten customers with the highest sum of orders in the last year.',
  'Write a bash script that renames all .jpeg files of a folder to .jpg.',
  'Write a C function that reverses a linked list.',
  'Write a Python class for a bank account with deposit, withdraw and a history.',
  'Write a regular expression that matches ISO dates, and explain it.',
  'Write a unit test with pytest for a function that parses integers from strings.',
  'Write a React component with a counter and a button.',
  'Write a Rust function that counts the words of a string.',
  'Write an HTML form with name, e-mail and a message, and its CSS.',
];
