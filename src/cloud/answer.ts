import { child, childText, parseXml, type XmlElement } from "../core/aws/xml.ts";
import { AwsError, refused } from "./aws-error.ts";
import type { HttpAnswer } from "./http.ts";

/** The error in an answer whose status is not 200. EC2 wraps it in `Errors`, STS does not. */
export function errorOf(action: string, answer: HttpAnswer): AwsError {
  let root: XmlElement;
  try {
    root = parseXml(answer.body);
  } catch {
    // A load balancer's or proxy's own page.
    return refused(action, answer.status, `HTTP${answer.status}`, answer.body.slice(0, 200));
  }
  const error = child(child(root, "Errors") ?? root, "Error");
  const code = childText(error, "Code") ?? `HTTP${answer.status}`;
  return refused(action, answer.status, code, childText(error, "Message") ?? "no message");
}

/** The answer's document. @throws AwsError when it is none, with an unknown effect: the call was taken */
export function documentOf(action: string, answer: HttpAnswer): XmlElement {
  if (answer.status !== 200) throw errorOf(action, answer);
  try {
    return parseXml(answer.body);
  } catch (error) {
    throw new AwsError({
      code: "bad-answer",
      kind: "unavailable",
      effect: "unknown",
      message: `${action}: the answer cannot be read: ${(error as Error).message}`,
      cause: error,
    });
  }
}
