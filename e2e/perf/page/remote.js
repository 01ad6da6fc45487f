/**
 * Where no driver calls `window.bench`: asks the address behind the # of the page's own for one call after the other, and
 * posts there what came of each.
 */
const address = location.hash.slice(1);

async function perform({ method, callArguments }) {
  try {
    return { value: (await window.bench[method](...callArguments)) ?? null };
  } catch (error) {
    return { error: String(error) };
  }
}

while (address) {
  const call = await (await fetch(address)).json();
  await fetch(address, { method: 'POST', body: JSON.stringify(await perform(call)) });
}
