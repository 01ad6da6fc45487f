/** A worker of our own sources on the measuring page, for what no application can ask for. */

export async function openWorker(lab, path) {
  const worker = await lab.page.evaluateHandle((url) => new Worker(url, { type: 'module' }), path);
  return {
    /** The answer to one request; the worker takes one at a time. */
    ask: (request) => worker.evaluate(answerOf, request),
    close: () => worker.evaluate((running) => running.terminate()),
  };
}

/** Runs on the page. */
function answerOf(worker, request) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result));
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(request);
  });
}
