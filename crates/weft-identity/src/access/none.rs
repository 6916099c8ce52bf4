//! A build without Cedar: no policy can be used, and nothing that has one is let through.

use weft_types::Identity;

use super::{Asked, Facts, PolicyFault, PolicyFile, RouteFact, Ruling};

#[derive(Debug)]
pub struct Policies(());

#[derive(Debug, Clone)]
pub struct RouteRules(());

impl Policies {
    pub fn compile(_: &Facts, _: &[PolicyFile]) -> Result<Self, Vec<PolicyFault>> {
        let help = "build it with the feature `cedar`, which it has by default".to_owned();
        let message = "this build of Weft has no Cedar policies".to_owned();
        Err(vec![PolicyFault { file: 0, span: 0..0, message, help }])
    }

    pub fn route(&self, _: &RouteFact) -> Option<RouteRules> {
        None
    }

    pub fn decide(&self, _: &RouteRules, _: &Asked<'_>, _: Option<&Identity>) -> Ruling {
        Ruling::failed("this build of Weft has no Cedar policies")
    }
}
