import { expect, test } from 'vitest';
import { createByteModel, textIds } from '../../test/fakes/byte-model.ts';
import { startInProcess } from '../../test/fakes/in-process.ts';
import { createClient } from './client.ts';

test('smoke', async () => {
  const model = createByteModel({ answer: () => textIds('Hi there') });
  const { worker } = startInProcess({ model });
  const client = await createClient({ model: 'https://models.test/x.gguf', worker });
  const full = await client.chat.completions.create({
    messages: [{ role: 'user', content: 'hello' }],
    temperature: 0,
  });
  console.log(JSON.stringify(full, null, 1));
  for await (const chunk of await client.chat.completions.create({
    messages: [{ role: 'user', content: 'hello' }],
    stream: true,
    stream_options: { include_usage: true },
  }))
    console.log(JSON.stringify(chunk));
  client.close();
  expect(full.choices[0]?.message.content).toBe('Hi there');
});
