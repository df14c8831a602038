//! The two handles. They carry what every probe or change needs: variables for children, who may
//! interrupt, and which programs count as reading.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When work has to stop early.
#[derive(Clone, Default)]
pub struct Control {
    interrupted: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    deadline: Option<Instant>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Control {
    /// `interrupted` is asked now and then; `seconds` count from now.
    pub fn new(interrupted: Option<Arc<dyn Fn() -> bool + Send + Sync>>, seconds: Option<u64>) -> Self {
        let deadline = seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        Self { interrupted, deadline }
    }

    /// The run was interrupted.
    pub fn interrupted(&self) -> bool {
        self.interrupted.as_ref().is_some_and(|ask| ask())
    }

    /// The task's end by its `timeout`.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Reads the host. Nothing it does changes what a user could see.
#[derive(Clone, Debug)]
pub struct Probe {
    environment: Vec<(String, String)>,
    control: Control,
    programs: &'static [&'static str],
}

/// Changes the host. Reads too, through [`Mutate::probe`].
#[derive(Clone, Debug)]
pub struct Mutate {
    probe: Probe,
}

impl Probe {
    /// A handle whose child processes get these variables besides the agent's own.
    pub fn new(environment: Vec<(String, String)>) -> Self {
        Self { environment, control: Control::default(), programs: &[] }
    }

    /// The same handle with a way to stop its work.
    pub fn controlled(mut self, control: Control) -> Self {
        self.control = control;
        self
    }

    /// The same handle with programs that it may run, each as the first words of an argument vector.
    pub fn allowing(mut self, programs: &'static [&'static str]) -> Self {
        self.programs = programs;
        self
    }

    /// Variables for child processes.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// When work has to stop.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// What this handle may run.
    pub(super) fn programs(&self) -> &'static [&'static str] {
        self.programs
    }

    /// A variable as child processes see it.
    pub fn variable(&self, name: &str) -> Option<String> {
        let own = self.environment.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        own.or_else(|| super::folder::variable(name))
    }

    /// This machine's own name (`uname -n`).
    pub fn node_name(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
}

impl Mutate {
    /// Only the engine's guard makes one (`Cx::change`).
    pub(crate) fn with_probe(probe: Probe) -> Self {
        Self { probe }
    }

    /// The reading half.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }
}
