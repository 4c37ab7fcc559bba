/** An absolute path as systemd spells it in unit names (`systemd-escape --path`): /var/a-b -> var-a\x2db */
export function escapePath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  if (parts.length === 0) return "-";
  return parts.map((part, index) => escapePart(part, index === 0)).join("-");
}

function escapePart(part: string, first: boolean): string {
  const bytes = [...new TextEncoder().encode(part)];
  return bytes
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      const leadingDot = first && index === 0 && character === ".";
      return /[A-Za-z0-9:_.]/.test(character) && !leadingDot
        ? character
        : `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}
