//! The search of an image that the engine has.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::report::{NOT_SEARCHED, Searched};
use super::search::{About, Proof};
use crate::system::engine::{Backend, EngineError, ErrorClass};

/// Searches an image under a name of the engine: what the engine tells of it, and all that it
/// saves. `recorded`: see [`About::recorded`]. An image that was found clean before is not read
/// again. Dropping the future ends the search; nothing is proved then.
pub async fn search_image(
    engine: &Backend,
    name: &str,
    proof: &Arc<Proof>,
    recorded: Vec<String>,
) -> Result<Searched, EngineError> {
    if proof.is_empty() {
        return Ok(Searched::default());
    }
    let Some(facts) = engine.inspect(name).await? else {
        return Err(EngineError::new(ErrorClass::NotFound, format!("the engine has no image `{name}`")));
    };
    if proof.knows(&facts.id) {
        let mut searched = Searched::default();
        searched.cost.layers_known = facts.layers.len() as u64;
        return Ok(searched);
    }
    let descriptions = engine.description(name).await?;
    let about = About { id: facts.id, layers: facts.layers, descriptions, recorded };
    let (sender, receiver) = mpsc::channel(8);
    let search = {
        let proof = Arc::clone(proof);
        tokio::task::spawn_blocking(move || proof.search(ChunkReader { receiver, rest: Bytes::new() }, &about))
    };
    let mut lost = None;
    {
        let mut stream = std::pin::pin!(engine.save(name));
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.inspect_err(|error| lost = Some(error.clone()));
            if sender.send(chunk.map_err(std::io::Error::other)).await.is_err() {
                break;
            }
        }
    }
    drop(sender);
    let searched = search.await.map_err(|error| EngineError::new(ErrorClass::Other, error.to_string()))?;
    searched.map_err(|error| {
        lost.unwrap_or_else(|| EngineError::new(ErrorClass::Other, format!("{NOT_SEARCHED}: {error}")))
    })
}

/// Chunks of a stream for a blocking reader.
struct ChunkReader {
    receiver: mpsc::Receiver<std::io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let take = self.rest.len().min(buffer.len());
        buffer[..take].copy_from_slice(&self.rest.split_to(take));
        Ok(take)
    }
}
