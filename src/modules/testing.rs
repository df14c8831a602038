//! How the modules' tests run a module for real: checks, a handle of its own, the outcome.

use std::sync::{Arc, Mutex, OnceLock};

use super::call::{AskedBy, Blob, BlobSource, Call, Failure, Input, InputKind, Outcome, TreeEntry};
use super::cx::{Cx, Link};
use super::table::find;
use crate::diag::{Diagnostic, Result};
use crate::event::Progress;
use crate::system::digest::{Digest, Hasher};
use crate::value::Map;

#[derive(Default)]
pub struct Recorder {
    pub seen: Mutex<Vec<Progress>>,
    blobs: Vec<(String, Arc<[u8]>)>,
}

impl Link for Recorder {
    fn progress(&self, progress: Progress) {
        self.seen.lock().expect("lock").push(progress);
    }
    fn blob(&self, sha256: &str) -> Result<Blob> {
        let found = self.blobs.iter().find(|(name, _)| name == sha256);
        found.map(|(_, bytes)| Blob::Memory(Arc::clone(bytes))).ok_or_else(|| Diagnostic::internal("no such blob"))
    }
    fn cancelled(&self) -> bool {
        false
    }
}

fn runtime() -> tokio::runtime::Handle {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("runtime")).handle().clone()
}

/// A handle for a module's parts.
pub fn handle(name: &str) -> Cx {
    let mut cx = Cx::new(Call::new(name, serde_json::Value::Null), Arc::new(Recorder::default()), runtime());
    cx.allow(find(name).expect("a known module").meta.reads);
    cx
}

/// A run of a module being set up.
pub struct Try {
    call: Call,
    args: Map,
    blobs: Vec<(String, Arc<[u8]>)>,
}

pub fn module(name: &str, args: Map) -> Try {
    let call = Call { diff: true, ..Call::new(name, serde_json::Value::Null) };
    Try { call, args, blobs: Vec::new() }
}

pub fn file_entry(path: &str, mode: u32, bytes: &[u8]) -> TreeEntry {
    let kind = InputKind::File {
        sha1: Hasher::of(Digest::Sha1, bytes),
        sha256: Hasher::of(Digest::Sha256, bytes),
        size: bytes.len() as u64,
        source: Some(BlobSource::Memory(bytes.into())),
    };
    TreeEntry { path: path.to_owned(), mode, kind }
}

impl Try {
    pub fn check(mut self, check: bool) -> Self {
        self.call.check = check;
        self
    }

    /// Asked by a controller with this clock.
    pub fn asked_at(mut self, clock: i64) -> Self {
        self.call.asked_by = Some(AskedBy { clock, ..AskedBy::default() });
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.call.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The controller's file for `src`.
    pub fn src(self, basename: &str, mode: u32, bytes: &[u8]) -> Self {
        let entry = file_entry("", mode, bytes);
        self.input(Input {
            arg: "src".into(),
            entries: vec![entry],
            is_tree: false,
            basename: basename.into(),
            contents_only: false,
            repositories: Vec::new(),
        })
    }

    pub fn input(mut self, input: Input) -> Self {
        for entry in &input.entries {
            if let InputKind::File { sha256, source: Some(BlobSource::Memory(bytes)), .. } = &entry.kind {
                self.blobs.push((sha256.clone(), Arc::clone(bytes)));
            }
        }
        self.call.inputs.push(input);
        self
    }

    pub fn run(self) -> Result<Outcome, Failure> {
        self.watched().0
    }

    pub fn watched(mut self) -> (Result<Outcome, Failure>, Vec<Progress>) {
        let entry = find(&self.call.module).expect("a known module");
        let args = match entry.spec().coerce(&self.args, &|_| false) {
            Ok(args) => args,
            Err(errors) => panic!("arguments: {errors:#?}"),
        };
        self.call.args = args.clone();
        let link = Arc::new(Recorder { seen: Mutex::default(), blobs: self.blobs });
        let watched: Arc<dyn Link> = Arc::<Recorder>::clone(&link);
        let outcome = entry.run(Cx::new(self.call, watched, runtime()), args);
        let seen = link.seen.lock().expect("lock").clone();
        (outcome, seen)
    }

    /// Runs and expects success.
    pub fn ok(self) -> Outcome {
        self.run().unwrap_or_else(|failure| panic!("{}: {:#?}", failure.diagnostic.message, failure))
    }

    /// Runs and expects a failure.
    pub fn fails(self) -> Failure {
        self.run().expect_err("a failure")
    }
}

/// A result's value by key.
pub fn get(outcome: &Outcome, key: &str) -> serde_json::Value {
    outcome.result.get(&crate::value::StrKey(key)).map(crate::value::to_json).unwrap_or_default()
}
