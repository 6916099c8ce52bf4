//! Secrets in the node's environment.

use std::{collections::BTreeMap, ffi::OsString};

use crate::{SecretsError, VALUE_MAX, Value};

/// PREFIX`STRIPE_KEY` is `stripe-key`, and `stripe_key` for whoever calls it so: a variable's name has no `-`.
pub(crate) fn read(prefix: &str, variables: &[(OsString, OsString)]) -> Result<BTreeMap<String, Value>, SecretsError> {
    let mut all = BTreeMap::new();
    for (variable, value) in variables {
        let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(prefix)) else { continue };
        let lower = name.to_ascii_lowercase();
        crate::check_name(&lower, "the environment")?;
        let Some(value) = value.to_str() else { return Err(SecretsError::NotText { name: lower }) };
        if value.len() > VALUE_MAX {
            return Err(SecretsError::TooLarge { name: lower });
        }
        all.insert(lower.replace('_', "-"), Value::new(value.to_owned()));
        all.insert(lower, Value::new(value.to_owned()));
    }
    Ok(all)
}

pub(crate) fn find(variables: &[(OsString, OsString)], name: &str) -> Option<Value> {
    let found = variables.iter().find(|(variable, _)| variable == name);
    found.and_then(|(_, value)| value.to_str()).map(|value| Value::new(value.to_owned()))
}
