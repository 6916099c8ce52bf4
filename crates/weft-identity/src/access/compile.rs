//! From policy files to what decides: everything that is wrong is told at once, and then nothing of it is used.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use cedar_policy::{
    ActionConstraint, Authorizer, Policy, PolicyId, PolicySet, ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;

use super::{
    Facts, POLICY_BYTES_MAX, PolicyFault, PolicyFile,
    schema::{self, Known},
    weigh::{TooMuch, weigh},
};

/// An application's policies.
pub struct Policies {
    pub(super) application: String,
    pub(super) set: PolicySet,
    pub(super) authorizer: Authorizer,
}

/// One policy, and where it is.
struct Placed {
    file: usize,
    span: Range<usize>,
    policy: Policy,
}

impl Policies {
    /// Compiles all files into one set. Where anything is wrong, nothing of it is used.
    pub fn compile(facts: &Facts, files: &[PolicyFile]) -> Result<Self, Vec<PolicyFault>> {
        let mut faults = too_large(files);
        let mut placed = Vec::new();
        if faults.is_empty() {
            for (at, file) in files.iter().enumerate() {
                match parse(at, file) {
                    Ok(found) => placed.extend(found),
                    Err(wrong) => faults.extend(wrong),
                }
            }
        }
        if faults.is_empty() && placed.is_empty() {
            let help = "write one, such as `permit(principal, action, resource);`";
            faults.push(fault(0, 0..0, "there is no policy: nobody could do anything", help));
        }
        let mut set = PolicySet::new();
        let mut places = BTreeMap::new();
        if faults.is_empty() {
            faults.extend(twice(&placed));
            let known = Known::of(facts);
            for one in &placed {
                faults.extend(unknown(&known, one));
                let mut id = id(files, one);
                if places.contains_key(&id) {
                    id.push_str(" (again)");
                }
                places.insert(id.clone(), (one.file, one.span.clone()));
                let id = PolicyId::new(id);
                if let Err(error) = set.add(one.policy.new_id(id)) {
                    let help = "put each policy on a line of its own";
                    faults.push(fault(one.file, one.span.clone(), error.to_string(), help));
                }
            }
        }
        if faults.is_empty() {
            faults.extend(validate(facts, &set, &places));
        }
        match faults.is_empty() {
            true => Ok(Self { application: facts.application.clone(), set, authorizer: Authorizer::new() }),
            false => Err(faults),
        }
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("application", &self.application).finish_non_exhaustive()
    }
}

fn fault(file: usize, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> PolicyFault {
    PolicyFault { file, span, message: message.into(), help: help.into() }
}

fn too_large(files: &[PolicyFile]) -> Vec<PolicyFault> {
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    if bytes > POLICY_BYTES_MAX {
        let message = format!("the policies are {bytes} bytes long; at most {POLICY_BYTES_MAX} are read");
        return vec![fault(0, 0..0, message, "write fewer, by roles and routes instead of by names")];
    }
    let weighed = files.iter().enumerate().filter_map(|(at, file)| Some((at, weigh(&file.text).err()?)));
    let told = |(at, TooMuch { span, message })| fault(at, span, message, "cut it into several policies");
    weighed.map(told).collect()
}

fn parse(at: usize, file: &PolicyFile) -> Result<Vec<Placed>, Vec<PolicyFault>> {
    let parsed: PolicySet = file.text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().map(|error| told(at, error, 0..file.text.len())).collect::<Vec<_>>()
    })?;
    if let Some(template) = parsed.templates().next() {
        let text = template.to_cedar();
        let start = file.text.find(&text).unwrap_or_default();
        let help = "name the principal or resource in place of `?principal` or `?resource`";
        return Err(vec![fault(at, start..start + text.len(), "this is a template, and nothing fills it in", help)]);
    }
    // Cedar names them by their order, which is all that it tells of where they are.
    let ordered = (0..parsed.num_of_policies()).filter_map(|n| parsed.policy(&PolicyId::new(format!("policy{n}"))));
    let mut from = 0;
    let place = |policy: &Policy| {
        let text = policy.to_cedar().unwrap_or_default();
        let start = file.text[from..].find(&text).map_or(from, |found| from + found);
        from = start + text.len();
        Placed { file: at, span: start..from, policy: policy.clone() }
    };
    Ok(ordered.map(place).collect())
}

/// What Cedar says of an error, told from the first place that it names.
fn told(at: usize, error: &dyn Diagnostic, around: Range<usize>) -> PolicyFault {
    let label = error.labels().and_then(|mut labels| labels.next());
    let span = label.as_ref().map_or(around, |label| label.offset()..label.offset() + label.len());
    let more = label.and_then(|label| label.label().map(str::to_owned)).filter(|label| !label.is_empty());
    let help = error.help().map(|help| help.to_string()).or(more).unwrap_or_default();
    fault(at, span, error.to_string(), help)
}

/// `ID (FILE:LINE)`: what people are told decided.
fn id(files: &[PolicyFile], one: &Placed) -> String {
    let PolicyFile { name, text } = &files[one.file];
    let line = text[..one.span.start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    match one.policy.annotation("id").filter(|id| !id.is_empty()) {
        Some(id) => format!("{} ({name}:{line})", id.chars().take(128).collect::<String>().escape_debug()),
        None => format!("{name}:{line}"),
    }
}

fn twice(placed: &[Placed]) -> Vec<PolicyFault> {
    let mut seen = BTreeSet::new();
    let again = placed.iter().filter(|one| one.policy.annotation("id").is_some_and(|id| !seen.insert(id)));
    let told = |one: &Placed| {
        let id = one.policy.annotation("id").unwrap_or_default();
        fault(one.file, one.span.clone(), format!("another policy has the id `{id}`"), "give one of them another `@id`")
    };
    again.map(told).collect()
}

/// Names of routes, actions and declarations that do not exist, and so would never match.
fn unknown(known: &Known, one: &Placed) -> Vec<PolicyFault> {
    let wrong = one.policy.entity_literals().into_iter().filter_map(|uid| Some((known.check(&uid).err()?, uid)));
    let told = |((what, all), uid): ((&'static str, Vec<&str>), cedar_policy::EntityUid)| {
        let text = one.policy.to_cedar().unwrap_or_default();
        let id = uid.id().unescaped();
        // Where it stands in the policy; escaped in another way than Cedar does, it is the whole policy that is shown.
        let quoted = format!("\"{id}\"");
        let span = text.find(&quoted).map_or(one.span.clone(), |at| {
            let start = one.span.start + at;
            start..start + quoted.len()
        });
        let help = match nearest(id, &all) {
            Some(near) => format!("did you mean `{}::\"{near}\"`?", uid.type_name()),
            None => format!("there are {}", all.join(", ")),
        };
        fault(one.file, span, format!("there is no {what} `{id}`"), help)
    };
    wrong.map(told).collect()
}

/// The name that shares the most with what was written, if that is at least half of it.
fn nearest<'a>(written: &str, all: &[&'a str]) -> Option<&'a str> {
    let shared = |other: &str| {
        let begin = written.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let end = written.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
        begin + end
    };
    let best = all.iter().max_by_key(|other| (shared(other), std::cmp::Reverse(other.len())))?;
    (2 * shared(best) >= written.len()).then_some(best)
}

fn validate(facts: &Facts, set: &PolicySet, places: &BTreeMap<String, (usize, Range<usize>)>) -> Vec<PolicyFault> {
    let named = |policy: &Policy| policy.entity_literals().into_iter();
    let actions = set.policies().flat_map(named).filter(|uid| uid.type_name().to_string() == "Action");
    let actions: BTreeSet<String> = actions.map(|uid| uid.id().unescaped().to_owned()).collect();
    let schema = match schema::schema(facts, &actions) {
        Ok(schema) => schema,
        Err(error) => return vec![fault(0, 0..0, format!("no schema can be made of the routes: {error}"), "")],
    };
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    let place = |id: &PolicyId| places.get(&id.to_string()).cloned().unwrap_or_default();
    let mut faults: Vec<PolicyFault> = Vec::new();
    for error in result.validation_errors() {
        let (file, around) = place(error.policy_id());
        faults.push(plain(told(file, error, around), error.policy_id(), facts.nobody));
    }
    for warning in result.validation_warnings() {
        let (file, around) = place(warning.policy_id());
        // What follows from another mistake of the same policy is not told beside it.
        let known = faults.iter().any(|fault| fault.file == file && around.contains(&fault.span.start));
        let help = match warning {
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) if known => {
                continue;
            }
            ValidationWarning::InvalidActionApplication(_) if names_a_method(set, warning.policy_id()) => {
                "a method alone is a group of actions: write `action in`"
            }
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                "no request can meet it: remove it, or say what was meant"
            }
            ValidationWarning::BidiCharsInString(_) | ValidationWarning::BidiCharsInIdentifier(_) => {
                "remove the invisible characters: they show another policy than there is"
            }
            _ => continue,
        };
        let one = plain(told(file, warning, around), warning.policy_id(), false);
        faults.push(PolicyFault { help: help.to_owned(), ..one });
    }
    faults
}

/// `action == Action::"GET"`, which is no action, but what some are in.
fn names_a_method(set: &PolicySet, id: &PolicyId) -> bool {
    let named = set.policy(id).map(Policy::action_constraint);
    matches!(named, Some(ActionConstraint::Eq(uid)) if !uid.id().unescaped().contains(' '))
}

/// Without Cedar's own words for which policy it is: the place says so.
fn plain(mut fault: PolicyFault, id: &PolicyId, nobody: bool) -> PolicyFault {
    if let Some(rest) = fault.message.strip_prefix(&format!("for policy `{id}`, ")) {
        fault.message = rest.to_owned();
    }
    if nobody && fault.message.contains("Nobody") {
        fault.help =
            "some route lets nobody in particular call: write `principal is User` in the policy's head".to_owned();
    }
    fault
}
