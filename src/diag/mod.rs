//! What went wrong and where: spans, the source map, one error type, exit codes.
//!
//! Everything that can fail returns a [`Diagnostic`]. It names a place in the source,
//! what was expected and what was found, and one hint that can be typed. This room does
//! not know how a diagnostic is drawn (that is `report`).

mod codes;
mod diagnostic;
mod guard;
pub mod made;
pub mod read;
mod source;
mod suggest;
mod told;

pub use codes::{CODES, CodeEntry, explain};
pub use diagnostic::{Diagnostic, DiagnosticBody, ExitCode, Kind, Label, Result, Severity, Subject};
pub use guard::{guarded, guarded_future};
pub use source::{FileId, LineCol, SourceFile, SourceMap, Span};
pub use suggest::nearest;
pub use told::{Deprecation, Link, Origin, brief};
