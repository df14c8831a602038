//! One line of the preflight.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it must be.
    Ok,
    /// The build can go on.
    Warn,
    /// The build would fail.
    Fail,
}

impl Severity {
    /// `ok`, `warn`, `FAIL`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How bad it is.
    pub severity: Severity,
    /// The code that explains it (`hostctl explain B0110`).
    pub code: &'static str,
    /// The check's name.
    pub check: &'static str,
    /// What was found: lower case start, no final period.
    pub found: String,
    /// What can be typed against it, or done.
    pub fix: Option<String>,
}

impl Line {
    /// All is well.
    pub fn ok(code: &'static str, check: &'static str, found: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, code, check, found: found.into(), fix: None }
    }

    /// Not good, with what to type.
    pub fn warn(code: &'static str, check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warn, code, check, found: found.into(), fix: Some(fix.into()) }
    }

    /// The build would fail, with what to type.
    pub fn fail(code: &'static str, check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, code, check, found: found.into(), fix: Some(fix.into()) }
    }

    /// `FAIL  engine      no socket at ... (B0110): systemctl start docker`.
    pub fn text(&self) -> String {
        let head = format!("{:4}  {:10}  {}", self.severity.name(), self.check, self.found);
        match &self.fix {
            Some(fix) => format!("{head} [{}]: {fix}", self.code),
            None => head,
        }
    }

    /// The same as a warning of a build: `disk: 1 GiB free; docker builder prune`.
    pub fn warning(self) -> String {
        let fix = self.fix.map(|fix| format!("; {fix}")).unwrap_or_default();
        format!("{}: {}{fix}", self.check, self.found)
    }
}
