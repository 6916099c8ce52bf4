// `env.config(key)`: what the manifest's `config` says for the component. In the world with `--with config`.

import values from "wasi:config/store@0.2.0-rc.1";

// The text, or null.
export function config(key) {
  try {
    return values.get(key);
  } catch (cause) {
    throw cause instanceof Error ? cause : new Error(`config \`${key}\`: ${cause?.val ?? cause}`);
  }
}
