// `env.log.info(message, context)` and its like: log lines with a level. In the world with `--with logging`.

import logging from "wasi:logging/logging@0.1.0-draft";

const at = (level) => (message, context = "") => logging.log(level, context, String(message));

export const log = {
  trace: at("trace"),
  debug: at("debug"),
  info: at("info"),
  warn: at("warn"),
  error: at("error"),
  critical: at("critical"),
};
