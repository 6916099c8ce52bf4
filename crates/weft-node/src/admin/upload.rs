//! Artefacts, taken as they stream in.

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use weft_api::{ARTEFACT_BYTES_MAX, Artefact};
use weft_control::ControlError;
use weft_types::{Digest, code};

use super::answer::{Answer, json, problem};
use crate::keeper::{KeepError, Keeper};

pub(super) fn find(keeper: &Keeper, digest: &Digest) -> Answer {
    match keeper.control.artefacts().find(digest) {
        Some(_) => Ok(Response::new(weft_types::empty())),
        None => Err(problem(code::NOT_FOUND, format!("{digest} is not here"))),
    }
}

/// Takes an artefact. On disk when it answers.
pub(super) async fn take(keeper: &Keeper, digest: Digest, mut body: Incoming) -> Answer {
    let artefacts = keeper.control.artefacts();
    let disk = |error| KeepError::from(ControlError::Disk(error));
    if let Some(bytes) = artefacts.find(&digest) {
        // Read to its end, so that the connection can go on.
        while body.frame().await.transpose().is_ok_and(|frame| frame.is_some()) {}
        return json(StatusCode::OK, &Artefact { digest, bytes, created: false });
    }
    let mut upload = artefacts.begin().map_err(disk)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| problem(code::BAD_REQUEST, error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if upload.bytes() + data.len() as u64 > ARTEFACT_BYTES_MAX {
            return Err(problem(code::BODY_TOO_LARGE, format!("an artefact has at most {ARTEFACT_BYTES_MAX} bytes")));
        }
        tokio::task::block_in_place(|| upload.write(&data)).map_err(disk)?;
    }
    match tokio::task::block_in_place(|| artefacts.finish(upload, &digest)) {
        Ok(bytes) => json(StatusCode::CREATED, &Artefact { digest, bytes, created: true }),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(problem(code::BAD_REQUEST, error.to_string()))
        }
        Err(error) => Err(disk(error).into()),
    }
}
