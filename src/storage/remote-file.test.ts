import { describe, expect, it } from 'vitest';
import { nameRemoteFile } from './remote-file.ts';

const BASE = 'https://app.test/page';

describe('what the download may ask for', () => {
  it('is what was named, and stays so', () => {
    const headers = { authorization: 'Bearer t' };
    const remote = nameRemoteFile({ id: 'm', url: '../m.gguf', headers }, BASE);
    headers.authorization = 'another';
    expect(remote).toEqual({
      id: 'm',
      url: 'https://app.test/m.gguf',
      headers: { authorization: 'Bearer t' },
    });
    expect(Object.isFrozen(remote) && Object.isFrozen(remote.headers)).toBe(true);
  });

  it.each([
    'ftp://host.test/m.gguf',
    'javascript:1',
    'https://a:b@host.test/m.gguf',
    'https://a@host.test/m',
  ])('is nothing at %s', (url) => {
    expect(() => nameRemoteFile({ id: 'm', url }, BASE)).toThrow(
      expect.objectContaining({ code: 'model_unavailable', retryable: false }),
    );
  });
});
