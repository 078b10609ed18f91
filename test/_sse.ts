/** One server-sent event with an id. */
export interface SseEvent {
  readonly id: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is each test's own
  readonly data: any;
}

/** Reads server-sent events until the caller has enough; lines that only keep a stream alive are passed over. */
export async function* sseEvents(response: Response): AsyncGenerator<SseEvent> {
  let buffer = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    buffer += chunk;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const id = /^id: (\d+)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (id !== undefined && data !== undefined) yield { id: Number(id), data: JSON.parse(data) };
    }
  }
}
