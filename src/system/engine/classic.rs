//! The classic builder, for engines without BuildKit (and Podman's socket).

use std::collections::HashMap;
use std::sync::Arc;

use bollard::auth::DockerCredentials;
use bollard::query_parameters::{BuildImageOptionsBuilder, BuilderVersion};

use super::client::{Engine, tar_chunks};
use super::error::{EngineError, ErrorClass};
use super::lines::Lines;
use super::wire;
use super::{BuildEvent, BuildSpec, FailedStep, Feed};

/// Builds one image. Dropping the future ends the running step's container.
pub(super) async fn build(engine: &Engine, spec: &BuildSpec, feed: &Feed) -> Result<(), EngineError> {
    if let Some(problem) = refused(spec) {
        return Err(EngineError::new(ErrorClass::Unusable, problem));
    }
    let Some(first) = spec.names.first() else {
        return Err(EngineError::new(ErrorClass::Refused, "an image without a name"));
    };
    let args: HashMap<String, String> = spec.args.clone().into_iter().collect();
    let labels: HashMap<String, String> = spec.labels.clone().into_iter().collect();
    let mut options = BuildImageOptionsBuilder::new()
        .dockerfile(&spec.dockerfile)
        .t(first)
        .nocache(spec.no_cache)
        .rm(true)
        .forcerm(true)
        .buildargs(&args)
        .labels(&labels)
        .version(BuilderVersion::BuilderV1);
    if spec.pull {
        options = options.pull("true");
    }
    if spec.network_host {
        options = options.networkmode("host");
    }
    if let Some(target) = &spec.target {
        options = options.target(target);
    }
    if let Some(platform) = &spec.platform {
        options = options.platform(platform);
    }
    if !spec.cache_from.is_empty() {
        options = options.cachefrom(&spec.cache_from);
    }
    let hosts: Vec<String> = spec.extra_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect();
    if !hosts.is_empty() {
        options = options.extrahosts(&hosts.join(","));
    }
    let logins: HashMap<String, DockerCredentials> =
        spec.logins.iter().map(|login| (login.engine_key(), login.credentials())).collect();
    let body = bollard::body_try_stream(tar_chunks(Arc::clone(&spec.context)));
    let (docker, taken) = engine.streaming()?;
    let asked = docker.build_image(options.build(), Some(logins), Some(body));
    let mut answers = wire::messages(taken, asked).await;
    let mut lines = Lines::default();
    let mut step = None;
    let mut steps = |line: String, feed: &Feed| {
        if let Some(found) = step_of(&line) {
            let (number, of, text) = found;
            let text = text.to_owned();
            feed.send(BuildEvent::Step { step: number, of, text: text.clone() });
            step = Some(FailedStep { step: number, stage: None, text, classic: true });
        }
        feed.send(BuildEvent::Log(line));
    };
    let failed = loop {
        let answer = match &mut answers {
            Ok(answers) => answers.next().await,
            Err(error) => break Some(error.clone()),
        };
        match answer {
            Ok(Some(info)) => {
                if let Some(error) = info.error_detail.and_then(|detail| detail.message) {
                    break Some(EngineError::from_text(&error));
                }
                if let Some(text) = info.stream {
                    lines.push(text.as_bytes(), &mut |line| steps(line, feed));
                } else if info.id.is_none()
                    && let Some(status) = info.status
                {
                    steps(status, feed);
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    lines.finish(&mut |line| steps(line, feed));
    match failed {
        Some(error) => {
            feed.send(BuildEvent::Log(format!("ERROR {error}")));
            Err(error.at_step(step))
        }
        None => {
            for name in &spec.names[1..] {
                super::client::tag(engine.docker(), first, name).await?;
            }
            Ok(())
        }
    }
}

/// What of a build this builder cannot do; it would be left out in silence.
fn refused(spec: &BuildSpec) -> Option<String> {
    let what = if let Some(id) = spec.secrets.keys().next() {
        format!("the build secret `{id}`")
    } else if let Some(id) = spec.ssh.keys().next() {
        format!("the ssh agent `{id}`")
    } else if let Some(to) = spec.cache_to.first() {
        format!("a cache written to `{}`", to.kind())
    } else {
        return None;
    };
    Some(format!("{what} needs BuildKit, which this engine does not have"))
}

/// `Step 2/5 : RUN make`.
fn step_of(line: &str) -> Option<(u32, u32, &str)> {
    let (numbers, text) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (step, of) = numbers.split_once('/')?;
    Some((step.parse().ok()?, of.parse().ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_the_stream() {
        assert_eq!(step_of("Step 2/5 : RUN echo a : b"), Some((2, 5, "RUN echo a : b")));
        assert_eq!(step_of(" ---> 1234"), None);
    }
}
