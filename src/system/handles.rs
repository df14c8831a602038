//! The two handles. They carry what every probe or change needs: the variables for children.

/// Reads the host. Nothing it does changes what a user could see.
#[derive(Clone, Debug)]
pub struct Probe {
    environment: Vec<(String, String)>,
}

/// Changes the host. Reads too, through [`Mutate::probe`].
#[derive(Clone, Debug)]
pub struct Mutate {
    probe: Probe,
}

impl Probe {
    /// A handle whose child processes get these variables besides the agent's own.
    pub fn new(environment: Vec<(String, String)>) -> Self {
        Self { environment }
    }

    /// Variables for child processes.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }
}

impl Mutate {
    /// Only the engine's guard makes one (`Cx::change`).
    pub(crate) fn new(environment: Vec<(String, String)>) -> Self {
        Self { probe: Probe::new(environment) }
    }

    /// The reading half.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }
}
