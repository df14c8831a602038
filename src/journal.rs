//! The append-only record of a run under `.hostctl/runs/RUN/`.
