//! `deb` of `apt`: package files, which may have to be fetched first.

use super::apt::{Args, State, perform};
use super::call::Failure;
use super::cx::Cx;
use super::refusal::refused;
use crate::diag::{Diagnostic, Result};
use crate::system::apt::apt;
use crate::system::fs::shown;
use crate::value::Map;

/// Installs the files that are not installed in that version; several are parted by commas.
pub(super) fn install(cx: &Cx, args: &Args, given: &str, result: &mut Map) -> Result<(), Failure> {
    if args.state != State::Present {
        return Err(refused("M0006", "deb only supports state=present"));
    }
    let mut wanted = Vec::new();
    // What was fetched lives until all are installed.
    let mut fetched = Vec::new();
    if given.contains("://") {
        let file = download(cx, given, ".deb", true)?;
        wanted.extend(needed(cx, args, &shown(&file))?);
        fetched.push(file);
    } else {
        for name in given.split(',') {
            let path = super::types::expand(name, cx.environment());
            let path = std::path::absolute(&path).unwrap_or(path);
            wanted.extend(needed(cx, args, &shown(&path))?);
        }
    }
    if !wanted.is_empty() {
        let what = if wanted.len() == 1 { "install a package file" } else { "install package files" };
        perform(cx, args, &["install"], &wanted, what, result)?;
    }
    Ok(())
}

/// The file, unless what is in it is installed already.
fn needed(cx: &Cx, args: &Args, path: &str) -> Result<Option<String>, Failure> {
    let output = cx.probe().run(apt(&["dpkg-deb", "-f", path, "Package", "Version"]))?;
    if !output.success() {
        let message = format!("`{path}` is no package file: {}", output.said());
        let reason = if cx.probe().exists(std::path::Path::new(path)) {
            "Invalid archive signature".to_owned()
        } else {
            format!("Could not open file {path} - open (2: No such file or directory)")
        };
        let words = format!("Unable to install package: E:{reason}");
        return Err(Diagnostic::task("H0107", message).with_registered(words).into());
    }
    let fields = output.out();
    let field =
        |name: &str| fields.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    let (name, version) = (field("Package:"), field("Version:"));
    let found = cx.probe().package_installed(&name)?.filter(|found| found.complete);
    let settled = match found {
        Some(found) if found.version == version => true,
        Some(found) if !args.allow_downgrade && !args.force => {
            cx.probe().version_holds(&found.version, "gt", &version)?
        }
        _ => false,
    };
    Ok((!settled).then(|| path.to_owned()))
}

/// The package file of an address; it goes when the path is dropped.
pub(super) fn download(cx: &Cx, url: &str, suffix: &str, validate_certs: bool) -> Result<tempfile::TempPath, Failure> {
    let mut file = tempfile::Builder::new()
        .prefix(&crate::system::leftovers::prefix())
        .suffix(suffix)
        .tempfile()
        .map_err(|error| Diagnostic::task("H0101", format!("no room for the package: {error}")))?;
    super::web::into_file(cx, url, validate_certs, &mut file).map_err(|words| refused("H0121", words))?;
    Ok(file.into_temp_path())
}

#[cfg(test)]
mod tests {
    use super::super::testing::module;
    use super::super::web::server::{answer, serve};
    use crate::map;

    fn answers(path: &str, _: &str) -> String {
        if path == "/no" { answer("404 Not Found", "", "") } else { answer("200 OK", "", "no package") }
    }

    #[test]
    fn files_come_from_the_host_or_an_address() {
        if crate::system::process::which("apt-get", None).is_none() {
            println!("skipped: needs apt-get");
            return;
        }
        let (url, seen) = serve(answers);
        let says = |deb: &str| {
            let failure = module("apt", map! { "deb" => deb }).check(true).fails();
            (failure.diagnostic.code.to_string(), failure.diagnostic.message.clone())
        };
        let (code, message) = says(&format!("{url}/a.deb"));
        assert!(code == "H0107" && message.contains(".deb` is no package file"), "{message}");
        assert_eq!(seen.lock().expect("lock").len(), 1);
        let (code, message) = says(&format!("{url}/no"));
        assert_eq!(
            (code.as_str(), message),
            ("H0121", format!("failure downloading {url}/no, HTTP Error 404: Not Found"))
        );
        assert_eq!(says("/etc/passwd").0, "H0107");
        let failure = module("apt", map! { "deb" => "/x.deb", "state" => "absent" }).check(true).fails();
        assert_eq!(failure.diagnostic.message, "deb only supports state=present");
    }
}
