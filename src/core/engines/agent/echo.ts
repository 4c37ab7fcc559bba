/**
 * The UDP echo of the entry hosts: a drill probes with it whether datagrams to the virtual address arrive.
 * A closed port would not do, because the kernel limits how often it says so (ICMP, 1,000/s at most and
 * one per second and client).
 *
 * Harmless by its form: a request is exactly 16 bytes, `HFQ1` and 12 of the client's own; the answer is
 * as long, `HFA1` and the same 12. So nothing is amplified, and no answer is a request: two echoes
 * cannot be set on each other.
 */

/** Beside HAProxy's 8404. */
export const echoPort = 8405;
export const ECHO_BYTES = 16;
const REQUEST = [0x48, 0x46, 0x51, 0x31];
const ANSWER = [0x48, 0x46, 0x41, 0x31];

/** The request that carries `number` (0 to 2^48 - 1). */
export function echoRequest(number: number): Uint8Array {
  const bytes = new Uint8Array(ECHO_BYTES);
  bytes.set(REQUEST);
  new DataView(bytes.buffer).setFloat64(8, number);
  return bytes;
}

/** The answer to a request; null for anything that is none. */
export function echoAnswer(request: Uint8Array): Uint8Array | null {
  if (request.length !== ECHO_BYTES || !startsWith(request, REQUEST)) return null;
  const answer = Uint8Array.from(request);
  answer.set(ANSWER);
  return answer;
}

/** The number that an answer carries; null for anything that is none. */
export function echoNumber(answer: Uint8Array): number | null {
  if (answer.length !== ECHO_BYTES || !startsWith(answer, ANSWER)) return null;
  return new DataView(answer.buffer, answer.byteOffset, ECHO_BYTES).getFloat64(8);
}

const startsWith = (bytes: Uint8Array, prefix: readonly number[]): boolean =>
  prefix.every((byte, index) => bytes[index] === byte);
