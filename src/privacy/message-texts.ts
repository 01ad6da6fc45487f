/**
 * Every text of a chat's messages, in one order, so that labels, findings and redaction speak of the same places: contents
 * and their parts, what was thought, names, the names of files, and the arguments of tool calls. What stands here leaves
 * nowhere unseen; a field that is forgotten here is a field that escapes.
 */
import type { ChatMessageParam, MediaPart, TextPart, ToolCall } from '../client/types.ts';
import type { PrivacyClass } from './classes.ts';

export type TextField = 'content' | 'reasoning_content' | 'name' | 'filename' | 'tool_calls' | 'media';

export interface MessageText {
  message: number;
  /** Of the parts of a content, or of tool calls. Null where there are none. */
  part: number | null;
  field: TextField;
  role: ChatMessageParam['role'];
  /** Of media what they are made of: their address or their data. */
  text: string;
  /** As it was labelled: by its part, or by its message. */
  label: PrivacyClass | null;
}

export function textsOf(messages: readonly ChatMessageParam[]): MessageText[] {
  const texts: MessageText[] = [];
  mapTexts(messages, (text) => {
    texts.push(text);
    return text.text;
  });
  return texts;
}

/** The same messages with other texts. `change` is called in the order of `textsOf`. */
export function mapTexts(
  messages: readonly ChatMessageParam[],
  change: (text: MessageText) => string,
): ChatMessageParam[] {
  return messages.map((message, index) => {
    const { role, content, name, reasoning_content, tool_calls, privacy = null } = message;
    const put = (text: string, field: TextField, part: number | null = null, label = privacy): string =>
      change({ message: index, part, field, role, text, label });
    return {
      ...message,
      ...(typeof name === 'string' ? { name: put(name, 'name') } : {}),
      ...(typeof reasoning_content === 'string'
        ? { reasoning_content: put(reasoning_content, 'reasoning_content') }
        : {}),
      content:
        typeof content === 'string'
          ? put(content, 'content')
          : (content?.map((part, i) =>
              mapPart(part, (text, field) => put(text, field, i, part.privacy ?? privacy)),
            ) ?? null),
      ...(tool_calls
        ? { tool_calls: tool_calls.map((call, i) => mapCall(call, (text) => put(text, 'tool_calls', i))) }
        : {}),
    };
  });
}

function mapPart(
  part: TextPart | MediaPart,
  put: (text: string, field: TextField) => string,
): TextPart | MediaPart {
  switch (part.type) {
    case 'text':
      return { ...part, text: put(part.text, 'content') };
    case 'image_url':
      return { ...part, image_url: { ...part.image_url, url: put(part.image_url.url, 'media') } };
    case 'input_audio':
      return { ...part, input_audio: { ...part.input_audio, data: put(part.input_audio.data, 'media') } };
    case 'file': {
      const { file_data, file_id, filename } = part.file;
      return {
        ...part,
        file: {
          ...(file_data === undefined ? {} : { file_data: put(file_data, 'media') }),
          ...(file_id === undefined ? {} : { file_id: put(file_id, 'media') }),
          ...(filename === undefined ? {} : { filename: put(filename, 'filename') }),
        },
      };
    }
    default:
      return part satisfies never;
  }
}

function mapCall(call: ToolCall, put: (text: string) => string): ToolCall {
  return { ...call, function: { ...call.function, arguments: put(call.function.arguments) } };
}
