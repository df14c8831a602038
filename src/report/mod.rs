//! Events to people (human), programs (jsonl) and code frames.
