//! From the names of an `apt` task to what apt-get has to install: versions, patterns, virtual packages.

use super::apt::{Args, State};
use super::call::Failure;
use super::cx::Cx;
use crate::diag::{Diagnostic, Result};
use crate::system::apt::not_found;
use crate::system::glob::matches;
use crate::value::Map;

/// One entry of `name`.
pub(super) struct Request {
    /// The package, maybe with `:architecture`, maybe a pattern.
    pub name: String,
    /// `=` or `>=` and the version.
    version: Option<(bool, String)>,
}

impl Request {
    /// Takes `name=version` and `name>=version` apart.
    pub(super) fn parse(text: &str) -> Self {
        if let Some((name, version)) = text.split_once(">=") {
            return Self { name: name.trim().to_owned(), version: Some((true, version.trim().to_owned())) };
        }
        match text.split_once('=') {
            Some((name, version)) => {
                Self { name: name.trim().to_owned(), version: Some((false, version.trim().to_owned())) }
            }
            None => Self { name: text.to_owned(), version: None },
        }
    }

    fn fits(&self, cx: &Cx, installed: &str) -> Result<bool> {
        match &self.version {
            None => Ok(true),
            Some((false, pattern)) => Ok(matches(pattern, installed)),
            Some((true, least)) => cx.probe().version_holds(installed, "ge", least),
        }
    }
}

/// Words for `apt-get install`; names that need nothing are left out. `told` is what the task's result has by now.
pub(super) fn resolve(cx: &Cx, args: &Args, names: &[String], told: &Map) -> Result<Vec<String>, Failure> {
    let mut wanted = Vec::new();
    for text in names {
        let request = Request::parse(text);
        if request.name.contains(['*', '?']) && request.version.is_none() {
            let all = cx.probe().packages_matching(&request.name, true)?;
            if all.is_empty() {
                return Err(not_found(&request.name, None).into());
            }
            for name in all {
                one(cx, args, &Request { name, version: None }, told, &mut wanted)?;
            }
        } else {
            one(cx, args, &request, told, &mut wanted)?;
        }
    }
    Ok(wanted)
}

fn one(cx: &Cx, args: &Args, request: &Request, told: &Map, wanted: &mut Vec<String>) -> Result<(), Failure> {
    let probe = cx.probe();
    let name = &request.name;
    let installed = probe.package_installed(name)?.filter(|found| found.complete);
    if installed.is_none() && args.only_upgrade {
        return Ok(());
    }
    if let Some(found) = &installed
        && request.fits(cx, &found.version)?
        && (args.state != State::Latest || request.version.is_some())
    {
        return Ok(());
    }
    if let Some((at_least, pattern)) = &request.version {
        let versions = probe.package_versions(name)?;
        for version in &versions {
            let fits = if *at_least { probe.version_holds(version, "ge", pattern)? } else { matches(pattern, version) };
            if fits {
                wanted.push(format!("{name}={version}"));
                return Ok(());
            }
        }
        let sign = if *at_least { ">=" } else { "=" };
        let error = Diagnostic::task("H0114", format!("no source of the host has `{name}{sign}{pattern}`"));
        if versions.is_empty() {
            return Err(not_found(name, probe.package_nearest(name)).into());
        }
        let error = error
            .with_note(format!("available: {}", versions.join(", ")))
            .with_registered(format!("no available installation candidate for {name}{sign}{pattern}"));
        return Err(Failure::with_result(error, told.clone()));
    }
    if probe.package_candidate(name)?.is_some() {
        wanted.push(name.clone());
        return Ok(());
    }
    if installed.is_some() {
        return Ok(());
    }
    let providers = probe.package_providers(name)?;
    for provider in &providers {
        if probe.package_installed(provider)?.is_some_and(|found| found.complete) {
            return Ok(());
        }
    }
    match providers.as_slice() {
        [] => Err(not_found(name, probe.package_nearest(name)).into()),
        [single] => {
            wanted.push(single.clone());
            Ok(())
        }
        many => Err(Diagnostic::task("H0114", format!("`{name}` is a virtual package that several provide"))
            .with_hint(format!("name one of them: {}", many.join(", ")))
            .into()),
    }
}
