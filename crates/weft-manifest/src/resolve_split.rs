//! What the author says of splits and mirrors, held against what is declared.

use weft_traffic::Ratio;
use weft_types::{Name, code};

use crate::{
    author,
    check::shown,
    resolve::Resolver,
    split::{ArmTo, MirrorRoute, SplitBetween, StickyBy, To},
    tree::Spot,
};

impl Resolver<'_> {
    /// The schema has seen that exactly one of them is said.
    fn to(&mut self, component: Option<&str>, upstream: Option<&str>, at: &Spot<'_>) -> Option<To> {
        let (table, written) = match (component, upstream) {
            (Some(name), _) => ("component", name),
            (_, Some(name)) => ("upstream", name),
            _ => return None,
        };
        let known = || self.root.key(table).keys();
        match Name::new(written).ok().filter(|_| known().any(|name| name == written)) {
            Some(name) if table == "component" => Some(To::Component(name)),
            Some(name) => Some(To::Upstream(name)),
            None => {
                let fix = format!("declare it: `[{table}.{}]`", shown(written));
                self.reference(table, written, known(), at.key(table).value_span(), &fix);
                None
            }
        }
    }

    pub(crate) fn split(&mut self, route: &author::Route, at: &Spot<'_>) -> Option<SplitBetween> {
        let mut arms = Vec::new();
        for (i, arm) in route.split.iter().enumerate() {
            let spot = at.key("split").item(i);
            let to = self.to(arm.component.as_deref(), arm.upstream.as_deref(), &spot);
            if arm.force.len() > 1 {
                let message = "`force` is one header".to_owned();
                let span = spot.key("force").value_span();
                self.problem(span, code::MANIFEST_TYPE, message, "more than one", "keep one of them");
            }
            let force = arm.force.iter().next().map(|(name, value)| (name.clone(), value.clone()));
            arms.push(ArmTo { to: to?, weight: arm.weight, force });
        }
        self.sticky(route.sticky.as_ref(), &at.key("sticky"));
        let split = SplitBetween { arms, sticky: route.sticky.clone() };
        match split.split(0) {
            Ok(_) => Some(split),
            Err(error) => {
                let help = "such as `split = [{ component = \"a\", weight = 95 }, { component = \"b\", weight = 5 }]`";
                self.problem(at.key("split").value_span(), code::MANIFEST_TYPE, error.to_string(), "this split", help);
                None
            }
        }
    }

    fn sticky(&mut self, sticky: Option<&StickyBy>, at: &Spot<'_>) {
        let Some(sticky) = sticky else { return };
        if sticky.cookie.is_some() == sticky.header.is_some() {
            let message = "`sticky` is by a cookie or by a header, and by one of them".to_owned();
            let help = "such as `sticky = { cookie = \"weft-arm\" }`";
            self.problem(at.key_span(), code::MANIFEST_TYPE, message, "by exactly one", help);
        }
    }

    pub(crate) fn mirror(&mut self, route: &author::Route, at: &Spot<'_>) -> Option<MirrorRoute> {
        let written = route.mirror.as_ref()?;
        let spot = at.key("mirror");
        if route.files.is_some() || route.redirect.is_some() {
            let message = "`mirror` has no effect here: files and redirects are not copied".to_owned();
            self.problem(spot.key_span(), code::MANIFEST_UNSUPPORTED, message, "not here", "remove it");
        }
        let to = self.to(written.component.as_deref(), written.upstream.as_deref(), &spot)?;
        Some(MirrorRoute { to, share: written.share.map_or(Ratio::ALL, |share| share.0) })
    }

    /// What only a split can have.
    pub(crate) fn without_split(&mut self, route: &author::Route, at: &Spot<'_>) {
        if route.sticky.is_some() && route.split.is_empty() {
            let message = "`sticky` has no effect here: one alone answers this route".to_owned();
            let help = "remove it, or split the route";
            self.problem(at.key("sticky").key_span(), code::MANIFEST_UNSUPPORTED, message, "not here", help);
        }
    }
}
