declare const HOLDFAST_VERSION: string | undefined;

/** Version of this build; "dev" when run from the sources. */
export const version = typeof HOLDFAST_VERSION === "string" ? HOLDFAST_VERSION : "dev";
