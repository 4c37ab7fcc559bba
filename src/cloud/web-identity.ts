import { readFile } from "node:fs/promises";
import { child, childText, parseXml } from "../core/aws/xml.ts";
import { HoldfastError } from "../lib/errors.ts";
import { errorOf } from "./answer.ts";
import { unanswered } from "./aws-error.ts";
import type { Credentials } from "./credentials.ts";
import { HttpOrigin } from "./http.ts";

interface WebIdentity {
  readonly roleArn: string;
  /** Rewritten by whoever issues the token, so it is read for each call. */
  readonly tokenFile: string;
  readonly sessionName: string;
  /** Of STS. */
  readonly endpoint: string;
}

/** Credentials of a role for a web identity token (AssumeRoleWithWebIdentity; the call is not signed). */
export async function assumeRoleWithWebIdentity(identity: WebIdentity): Promise<Credentials> {
  const action = "AssumeRoleWithWebIdentity";
  const body = new URLSearchParams({
    Action: action,
    Version: "2011-06-15",
    RoleArn: identity.roleArn,
    RoleSessionName: identity.sessionName,
    WebIdentityToken: await readToken(identity.tokenFile),
  }).toString();
  const http = new HttpOrigin(new URL(identity.endpoint).origin);
  try {
    const answer = await http
      .call({
        method: "POST",
        path: "/",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body,
        deadlineMs: 5000,
      })
      .catch((error: unknown) => {
        throw unanswered(action, identity.endpoint, error);
      });
    if (answer.status !== 200) throw errorOf(action, answer);
    return credentialsOf(answer.body);
  } finally {
    await http.close();
  }
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new HoldfastError(`cannot read the web identity token: ${(error as Error).message}`, {
      fix: "check AWS_WEB_IDENTITY_TOKEN_FILE",
      cause: error,
    });
  }
}

function credentialsOf(body: string): Credentials {
  const result = child(parseXml(body), "AssumeRoleWithWebIdentityResult");
  const found = child(result, "Credentials");
  const accessKeyId = childText(found, "AccessKeyId");
  const secretAccessKey = childText(found, "SecretAccessKey");
  const sessionToken = childText(found, "SessionToken");
  const expiration = childText(found, "Expiration");
  if (!accessKeyId || !secretAccessKey || !sessionToken || !expiration) {
    throw new HoldfastError("STS answered without credentials");
  }
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt: Date.parse(expiration) };
}
