//! Faults put in on purpose, by the admin API.

use http::StatusCode;
use weft_api::{FaultStatus, Faults, NewFault};
use weft_types::code;

use super::{
    Admin, Subject,
    answer::{Answer, json, problem},
};
use crate::faults::FaultError;

impl Admin {
    pub(super) fn faults(&self) -> Answer {
        json(StatusCode::OK, &Faults { faults: self.node.standing_faults() })
    }

    pub(super) fn add_fault(&self, asked: &NewFault) -> Answer {
        let added = self.node.add_fault(asked).map_err(|error| {
            let code = match error {
                FaultError::Wrong(_) => code::BAD_REQUEST,
                FaultError::Application(_) => code::UNKNOWN_APPLICATION,
            };
            problem(code, error.to_string())
        })?;
        told(StatusCode::CREATED, &added)
    }

    pub(super) fn remove_fault(&self, id: &str) -> Answer {
        let gone = id.parse().ok().and_then(|id| self.node.remove_fault(id));
        let gone = gone.ok_or_else(|| problem(code::NOT_FOUND, format!("there is no fault {id}, or it has ended")))?;
        told(StatusCode::OK, &gone)
    }
}

/// With what is to stand in the audit log.
fn told(status: StatusCode, fault: &FaultStatus) -> Answer {
    let FaultStatus { id, application, at, harm, share, .. } = fault;
    let mut response = json(status, fault)?;
    response.extensions_mut().insert(Subject(format!("{application} {at}: {harm} of {share} (fault {id})")));
    Ok(response)
}
