//! The proof on a real engine: a canary that a Dockerfile prints, copies, labels, sets and hides is
//! found with its place, is not pushed, and stands in no output.

use std::fs;
use std::sync::Arc;

use hostctl::event::Progress;
use serde_json::json;

use super::lab::Lab;
use super::{Watch, arguments, image, run};

const CANARY: &str = "Kan4ri-W3rt+77/zq";

#[test]
fn a_canary_is_found_wherever_an_image_has_it() {
    let lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            assert!(std::env::var_os("HOSTCTL_NO_SKIP").is_none(), "may not be skipped: {reason}");
            println!("SKIPPED proof: {reason}");
            return;
        }
    };
    let secret = "RUN --mount=type=secret,id=canary";
    let files = [
        ("printed/Dockerfile", format!("FROM base\nRUN echo {CANARY}\n")),
        ("copied/Dockerfile", "FROM base\nCOPY app.conf /etc/app.conf\nRUN rm /etc/app.conf\n".to_owned()),
        ("copied/app.conf", format!("password = {CANARY}\n")),
        ("named/Dockerfile", "FROM base\nCOPY . /srv/\n".to_owned()),
        ("named/x-Kan4ri-W3rt+77_zq", "not it".to_owned()),
        ("labelled/Dockerfile", format!("FROM base\nLABEL note=\"{CANARY}\"\n")),
        ("set/Dockerfile", format!("FROM base\nENV TOKEN={CANARY}\n")),
        ("packed/Dockerfile", format!("FROM base\n{secret} gzip -c /run/secrets/canary > /opt.gz\n")),
        ("encoded/Dockerfile", format!("FROM base\n{secret} base64 /run/secrets/canary > /opt.txt\n")),
        ("child/Dockerfile", "FROM packed\n".to_owned()),
        ("clean/Dockerfile", format!("FROM base\n{secret} sha1sum /run/secrets/canary > /sum\n")),
        ("over/Dockerfile", "FROM clean\nLABEL a=b\n".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let root = lab.tree("tree-proof", &files);
    let watch = Arc::new(Watch::default());
    let logs = lab.path("logs-proof");
    let more = json!({ "secrets": { "canary": CANARY }, "log_dir": logs, "tag": "p", "parallel": 1 });
    let failure = run("image_build", arguments(&lab, &root, "buildkit", more), Vec::new(), &watch).unwrap_err();
    assert_eq!(failure.diagnostic.code, "B0100", "{:?}", failure.diagnostic);
    assert_eq!(failure.diagnostic.hints.len(), 1);
    for (name, place) in [
        ("printed", "`build secret canary` in history"),
        ("copied", "/etc/app.conf"),
        ("labelled", "in configuration (Labels.note)"),
        ("set", "in configuration (Env["),
        ("packed", "/opt.gz > opt"),
        ("encoded", "/opt.txt (base64)"),
    ] {
        let found = image(&failure.result, name);
        assert_eq!(found["state"], "failed", "{found}");
        let message = found["message"].as_str().unwrap();
        assert!(message.starts_with("the image holds a secret: ") && message.contains(place), "{name}: {message}");
        assert_eq!(message.contains("layer 3 (sha256:"), matches!(name, "copied" | "packed" | "encoded"), "{message}");
    }
    assert_eq!(image(&failure.result, "child")["state"], "blocked");
    for name in ["base", "clean", "over", "named"] {
        assert_eq!(image(&failure.result, name)["state"], "pushed", "{}", image(&failure.result, name));
    }
    // Each layer once: what `base` has is known to all others.
    let log = |name: &str| fs::read_to_string(logs.join(format!("{name}.log"))).unwrap();
    assert!(log("base").contains("proof: 2 layers searched, 0 known, "), "{}", log("base"));
    assert!(log("clean").contains("proof: 1 layers searched, 2 known, "), "{}", log("clean"));
    assert!(log("over").contains("proof: 0 layers searched, 3 known, "), "{}", log("over"));
    assert!(log("copied").contains("SECRET `build secret canary` in layer 3 (sha256:"), "{}", log("copied"));
    let mut all = format!("{:?} {failure:?}", watch.seen.lock().unwrap());
    for entry in fs::read_dir(&logs).unwrap() {
        all += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(!all.contains(CANARY), "a value is in the output");
    assert!(
        watch
            .seen
            .lock()
            .unwrap()
            .iter()
            .any(|one| matches!(one, Progress::ImageLog { line, .. } if line.starts_with("proof: ")))
    );
    // A registry that never got it does not have it.
    let (has, _) = lab.docker(&["pull", &format!("{}/lab/copied:p", lab.registry)]);
    assert!(!has);
}
