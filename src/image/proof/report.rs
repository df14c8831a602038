//! What a search found, what it could not look into, and what it cost.

/// A secret or a forbidden word in an image. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The value's name, or the word itself.
    pub what: String,
    /// It is a word that was forbidden, no secret.
    pub word: bool,
    /// `layer 3 (sha256:0123456789ab…) /etc/pip.conf.gz > pip.conf`, `configuration (Env[1])`, `history`.
    pub place: String,
    /// `plain`, `base64`, `hex`...
    pub encoding: &'static str,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` in {}", self.what, self.place)?;
        if self.encoding == "plain" { Ok(()) } else { write!(f, " ({})", self.encoding) }
    }
}

/// A member that was searched as it is, but not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOpened {
    /// As in [`Finding`].
    pub place: String,
    /// Why.
    pub reason: String,
}

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Bytes of saved images that were read.
    pub bytes: u64,
    /// Bytes that were unpacked besides.
    pub opened: u64,
    /// Seconds of it all.
    pub seconds: f64,
    /// Of these, seconds in which the engine was waited for.
    pub waited: f64,
    /// Layers that were searched.
    pub layers_searched: u64,
    /// Layers that were searched before, for this or another image, and held nothing.
    pub layers_known: u64,
    /// Members that were not opened, those of known layers included.
    pub not_opened: u64,
}

impl Cost {
    /// Adds another image's.
    pub fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.opened += other.opened;
        self.seconds += other.seconds;
        self.waited += other.waited;
        self.layers_searched += other.layers_searched;
        self.layers_known += other.layers_known;
        self.not_opened += other.not_opened;
    }

    /// [`Cost::seconds_per_gb`] where there is enough to tell: of a few bytes only the beginning would be measured.
    pub fn rate(&self) -> Option<f64> {
        (self.bytes >= ENOUGH).then(|| self.seconds_per_gb())
    }

    /// Seconds for each gigabyte (10^9 bytes) of saved image; 0 if nothing was read.
    pub fn seconds_per_gb(&self) -> f64 {
        if self.bytes == 0 { 0.0 } else { self.seconds / as_gb(self.bytes) }
    }
}

/// Bytes from which on a rate is told.
const ENOUGH: u64 = 100_000_000;

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn as_gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.rate().map_or_else(String::new, |rate| format!("{rate:.2} s/GB, "));
        write!(
            f,
            "{} layers searched, {} known, {:.3} GB in {:.2} s ({rate}{:.2} s of it waiting for the engine)",
            self.layers_searched,
            self.layers_known,
            as_gb(self.bytes),
            self.seconds,
            self.waited,
        )?;
        if self.not_opened > 0 { write!(f, ", {} members not opened", self.not_opened) } else { Ok(()) }
    }
}

/// The result for one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Searched {
    /// What must not be there; the first ones if there are very many.
    pub findings: Vec<Finding>,
    /// The first members that were not opened; `cost.not_opened` counts all.
    pub not_opened: Vec<NotOpened>,
    /// The cost.
    pub cost: Cost,
}

impl Searched {
    /// What the log of the image shows: the cost, what was found, what was not opened.
    pub fn lines(&self, mut line: impl FnMut(String)) {
        if self.cost == Cost::default() {
            return;
        }
        line(format!("proof: {}", self.cost));
        for one in &self.not_opened {
            line(format!("proof: not opened: {}: {}", one.place, one.reason));
        }
        for finding in &self.findings {
            line(format!("{} {finding}", if finding.word { "FORBIDDEN" } else { "SECRET" }));
        }
    }

    /// Fails with the reason if something was found: what and where, never the value.
    pub fn verdict(&self) -> Result<(), String> {
        let places = |word: bool| {
            let of = self.findings.iter().filter(|finding| finding.word == word);
            of.map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let mut reasons = Vec::new();
        if self.findings.iter().any(|finding| !finding.word) {
            reasons.push(format!("{HOLDS_A_SECRET}: {}", places(false)));
        }
        if self.findings.iter().any(|finding| finding.word) {
            reasons.push(format!("{NAMES_THE_MIRROR}: {}", places(true)));
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons.join("; ")) }
    }
}

/// How the message begins when a secret was found.
pub const HOLDS_A_SECRET: &str = "the image holds a secret";
/// The same for a forbidden word.
pub const NAMES_THE_MIRROR: &str = "the image still names the mirror";
/// The same when the image could not be read whole.
pub const NOT_SEARCHED: &str = "the image cannot be searched";

/// True for the verdict of an image that holds what it must not.
pub fn is_finding(verdict: &str) -> bool {
    verdict.starts_with(HOLDS_A_SECRET) || verdict.starts_with(NAMES_THE_MIRROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_names_secrets_before_words() {
        let finding =
            |what: &str, word, encoding| Finding { what: what.into(), word, place: "layer 1 /a".into(), encoding };
        let mut searched = Searched::default();
        assert_eq!(searched.verdict(), Ok(()));
        let mut lines = Vec::new();
        searched.lines(|line| lines.push(line));
        assert!(lines.is_empty(), "nothing was searched: {lines:?}");
        searched.cost =
            Cost { bytes: 2_000_000_000, seconds: 5.0, layers_searched: 3, not_opened: 1, ..Cost::default() };
        searched.not_opened.push(NotOpened { place: "layer 1 /b".into(), reason: "bzip2 is not unpacked".into() });
        searched.findings = vec![finding("token", false, "base64"), finding("proxy.lan", true, "plain")];
        assert_eq!(
            searched.verdict().unwrap_err(),
            "the image holds a secret: `token` in layer 1 /a (base64); the image still names the mirror: `proxy.lan` in layer 1 /a"
        );
        searched.lines(|line| lines.push(line));
        assert_eq!(
            lines,
            [
                "proof: 3 layers searched, 0 known, 2.000 GB in 5.00 s (2.50 s/GB, 0.00 s of it waiting for the engine), 1 members not opened",
                "proof: not opened: layer 1 /b: bzip2 is not unpacked",
                "SECRET `token` in layer 1 /a (base64)",
                "FORBIDDEN `proxy.lan` in layer 1 /a",
            ]
        );
        searched.findings.remove(0);
        assert!(searched.verdict().unwrap_err().starts_with(NAMES_THE_MIRROR));
    }
}
