"""Pure functions, one module a phase: frames in, frames out; no HTTP, no disk, no suites, no figures."""
