//! How the calls of one arm of a split, or of a mirror, ended.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use weft_types::Class;

use super::route::RouteLabels;

/// Which of a route's callees a series is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArmLabels {
    pub(crate) route: RouteLabels,
    /// `arm` or `mirror`.
    pub(crate) role: &'static str,
    /// `component api`, `upstream legacy`.
    pub(crate) callee: Arc<str>,
}

/// The meter of one arm. Resolve it once, at deploy. Its series live as long as a handle to it.
#[derive(Debug)]
pub struct ArmMeter {
    pub(crate) labels: ArmLabels,
    ended: [AtomicU64; 4],
}

impl ArmMeter {
    pub(crate) fn new(labels: ArmLabels) -> Self {
        Self { labels, ended: Default::default() }
    }

    /// A request that it answered is over.
    pub fn ended(&self, class: Class) {
        self.ended[at(class)].fetch_add(1, Relaxed);
    }

    /// How many ended so.
    pub fn count(&self, class: Class) -> u64 {
        self.ended[at(class)].load(Relaxed)
    }
}

pub(crate) const CLASSES: [Class; 4] = [Class::Ok, Class::CallerFault, Class::Failure, Class::Shed];

fn at(class: Class) -> usize {
    match class {
        Class::Ok => 0,
        Class::CallerFault => 1,
        Class::Failure => 2,
        Class::Shed => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_counted_for_itself() {
        let route = RouteLabels { application: None, host: "".into(), path: "/".into() };
        let meter = ArmMeter::new(ArmLabels { route, role: "arm", callee: "component a".into() });
        for (n, class) in CLASSES.into_iter().enumerate() {
            (0..=n).for_each(|_| meter.ended(class));
        }
        assert_eq!(CLASSES.map(|class| meter.count(class)), [1, 2, 3, 4]);
    }
}
