//! What ansible-core tells beside a message: where the value stands that it is about, what contains it, what helps,
//! and which release takes something away. Its words are followed, not ours: `Diagnostic::message` is for people.

use serde::{Deserialize, Serialize};

use super::{Diagnostic, FileId, Span};

/// Where a value stands: ansible-core points at whole values, not into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// At the start of a range of the source.
    At(Span),
    /// In a file, it is not told where.
    In(FileId),
}

/// One message of a chain: each is caused by the one behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its words.
    pub words: String,
    /// What it is about.
    pub origin: Option<Origin>,
    /// What to do.
    pub help: Option<String>,
}

/// What a release takes away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deprecation {
    /// What is deprecated, without the time.
    pub msg: String,
    /// The release without it.
    pub version: Option<String>,
    /// The day after which a release is without it.
    pub date: Option<String>,
    /// The collection that says so.
    pub collection: Option<String>,
    /// The plugin that says so: its kind (`module`, `lookup`) and its short name.
    pub plugin: Option<(String, String)>,
}

impl Deprecation {
    /// Of ansible-core itself.
    pub fn core(msg: impl Into<String>, version: &str) -> Self {
        Self {
            msg: msg.into(),
            version: Some(version.to_owned()),
            date: None,
            collection: Some("ansible.builtin".to_owned()),
            plugin: None,
        }
    }

    /// Of one of ansible-core's plugins; `module` is a kind, too.
    pub fn of_plugin(self, kind: &str, name: &str) -> Self {
        Self { plugin: Some((kind.to_owned(), name.to_owned())), ..self }
    }

    /// The message with the time behind it.
    pub fn text(&self) -> String {
        let msg = self.msg.trim();
        let stop = if msg.ends_with(['!', '?', '.']) || msg.is_empty() { "" } else { "." };
        let by = match &self.plugin {
            Some((kind, name)) if kind == "module" => format!(" from module '{name}' in"),
            Some((kind, name)) => format!(" from {kind} plugin '{name}' in"),
            None => " from".to_owned(),
        };
        let by = match self.collection.as_deref() {
            None => String::new(),
            Some("ansible.builtin") => format!("{by} ansible-core"),
            Some(collection) => format!("{by} collection '{collection}'"),
        };
        let when = match (&self.collection, &self.date, &self.version) {
            (None, ..) => "in the future".to_owned(),
            (_, Some(date), _) => format!("in a release after {date}"),
            (_, None, Some(version)) => format!("version {version}"),
            (_, None, None) => "in a future release".to_owned(),
        };
        format!("{msg}{stop} This feature will be removed{by} {when}.").trim_start().to_owned()
    }
}

impl Diagnostic {
    /// A warning of what will be taken away: `text` is ours.
    pub fn of_deprecation(
        code: &'static str,
        kind: super::Kind,
        text: impl Into<String>,
        deprecation: Deprecation,
    ) -> Self {
        let mut warning = Self::new(code, kind, text).with_registered(deprecation.text()).warning();
        warning.deprecation = Some(deprecation);
        warning
    }

    /// Says what the registered words are about, and what ansible-core has to add.
    #[must_use]
    pub fn about(mut self, origin: Option<Origin>, help: Option<&str>) -> Self {
        let words = self.registered().to_owned();
        self.chain = vec![Link { words, origin, help: help.map(str::to_owned) }];
        self
    }

    /// What the innermost link of the chain is about.
    pub fn origin(&self) -> Option<Origin> {
        self.chain.last().and_then(|link| link.origin)
    }

    /// [`within`](Self::within) for what is told about a value of its own.
    #[must_use]
    pub fn within_at(self, words: &str, origin: Origin) -> Self {
        let mut wrapped = self.within(words);
        if let Some(link) = wrapped.chain.first_mut() {
            link.origin = Some(origin);
        }
        wrapped
    }

    /// The words of the chain in one line, as registered results have them.
    pub fn chain_words(&self) -> String {
        brief(&self.chain)
    }
}

/// The words of links in one line: what repeats the end of what stands before it is left out.
pub fn brief(links: &[Link]) -> String {
    let mut all = String::new();
    for link in links.iter().rev() {
        all = if all.is_empty() || link.words.ends_with(&all) {
            link.words.clone()
        } else {
            format!("{}: {all}", link.words.trim_end_matches(['.', ' ']))
        };
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Kind;

    #[test]
    fn a_deprecation_says_who_takes_it_away_and_when() {
        let core = Deprecation::core("It is old", "2.23");
        assert_eq!(core.text(), "It is old. This feature will be removed from ansible-core version 2.23.");
        let module = Deprecation::core("Old!", "2.22").of_plugin("module", "uri");
        assert_eq!(module.text(), "Old! This feature will be removed from module 'uri' in ansible-core version 2.22.");
        let dated = Deprecation { date: Some("2030-01-01".into()), collection: Some("a.b".into()), ..core.clone() };
        assert_eq!(
            dated.text(),
            "It is old. This feature will be removed from collection 'a.b' in a release after 2030-01-01."
        );
        let nobody = Deprecation { collection: None, ..core };
        assert_eq!(nobody.text(), "It is old. This feature will be removed in the future.");
    }

    #[test]
    fn a_chain_grows_outwards_and_ends_with_new_words() {
        let wrong = Diagnostic::new("T0101", Kind::Template, "x").with_registered("'x' is undefined");
        let wrong = wrong.about(Some(Origin::In(FileId(3))), None).within("While this: ");
        assert_eq!(wrong.registered(), "While this: 'x' is undefined");
        assert_eq!(wrong.chain_words(), wrong.registered());
        assert_eq!(wrong.chain.len(), 2);
        assert!(wrong.with_registered("other").chain.is_empty());
    }
}
