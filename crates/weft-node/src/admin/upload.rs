//! Artefacts, taken as they stream in.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use weft_api::{ARTEFACT_BYTES_MAX, Artefact};
use weft_control::{ControlError, Upload};
use weft_types::{Digest, code};

use super::answer::{Answer, json, problem};
use crate::keeper::{KeepError, Keeper};

/// Work on the disk, off the threads that serve.
async fn off<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, std::io::Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

pub(super) async fn find(keeper: &Keeper, digest: Digest) -> Answer {
    let artefacts = Arc::clone(keeper.control.artefacts());
    let found = off(move || Ok(artefacts.find(&digest))).await;
    match found.ok().flatten() {
        Some(_) => Ok(Response::new(weft_types::empty())),
        None => Err(problem(code::NOT_FOUND, format!("{digest} is not here"))),
    }
}

/// Bytes of an artefact that are gathered before they are written: a write is worth a thread's turn.
const WRITE_BYTES: usize = 256 << 10;

/// Takes an artefact. On disk when it answers.
pub(super) async fn take(keeper: &Keeper, digest: Digest, mut body: Incoming) -> Answer {
    let artefacts = Arc::clone(keeper.control.artefacts());
    let disk = |error| KeepError::from(ControlError::Disk(error));
    let (looking, beginning) = (Arc::clone(&artefacts), Arc::clone(&artefacts));
    if let Some(bytes) = off(move || Ok(looking.find(&digest))).await.map_err(disk)? {
        // Read to its end, so that the connection can go on.
        while body.frame().await.transpose().is_ok_and(|frame| frame.is_some()) {}
        return json(StatusCode::OK, &Artefact { digest, bytes, created: false });
    }
    let mut upload = off(move || beginning.begin()).await.map_err(disk)?;
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| problem(code::BAD_REQUEST, error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        gathered.extend_from_slice(&data);
        if upload.bytes() + gathered.len() as u64 > ARTEFACT_BYTES_MAX {
            return Err(problem(code::BODY_TOO_LARGE, format!("an artefact has at most {ARTEFACT_BYTES_MAX} bytes")));
        }
        if gathered.len() >= WRITE_BYTES {
            upload = written(upload, gathered.split().freeze()).await.map_err(disk)?;
        }
    }
    let upload = written(upload, gathered.freeze()).await.map_err(disk)?;
    match off(move || artefacts.finish(upload, &digest)).await {
        Ok(bytes) => json(StatusCode::CREATED, &Artefact { digest, bytes, created: true }),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(problem(code::BAD_REQUEST, error.to_string()))
        }
        Err(error) => Err(disk(error).into()),
    }
}

async fn written(mut upload: Upload, bytes: Bytes) -> std::io::Result<Upload> {
    off(move || upload.write(&bytes).map(|()| upload)).await
}
