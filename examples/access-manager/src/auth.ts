/** Bearer tokens: who may change things. */
import { createHash, timingSafeEqual } from "node:crypto";

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * Whether an `Authorization` header carries the token. Both sides are hashed first, so that the
 * comparison takes the same time whatever the guess's content and length.
 */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const given = /^Bearer (\S+)$/i.exec(header ?? "")?.[1];
  return timingSafeEqual(digest(given ?? ""), digest(token)) && given !== undefined;
}
