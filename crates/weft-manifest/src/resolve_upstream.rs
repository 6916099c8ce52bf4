//! What the author says of upstreams, held against what can be: each endpoint once, each name declared.

use std::{collections::BTreeMap, time::Duration};

use weft_traffic::{Near, Spread, UpstreamAddress, units};
use weft_types::{Name, code};

use crate::{
    check::shown,
    resolve::Resolver,
    tree::Spot,
    upstream::{Endpoint, Forward, Health, Upstream, Weighted, Written},
};

impl Resolver<'_> {
    pub(crate) fn upstreams(&mut self, at: &Spot<'_>) -> BTreeMap<Name, Upstream> {
        let mut upstreams = BTreeMap::new();
        for (name, written) in &self.author.upstream {
            let spot = at.key(name);
            let urls = written.endpoints.iter().map(|Endpoint(endpoint)| endpoint.url.as_str());
            let canonical = self.endpoints(urls, &spot.key("endpoints"));
            self.weights(written, &spot);
            self.locality(written, &spot);
            self.tls(written, &spot);
            self.health(written, &spot.key("health"));
            if let (Some(name), Some(urls)) = (self.name(name, &spot), canonical) {
                let pairs = urls.into_iter().zip(&written.endpoints);
                let canonical = |(url, Endpoint(said)): (String, &Endpoint)| Endpoint(Weighted { url, ..said.clone() });
                let endpoints = pairs.map(canonical).collect();
                upstreams.insert(name, Upstream { endpoints, ..written.clone() });
            }
        }
        upstreams
    }

    /// The endpoints of an upstream in their canonical form. The schema has checked the form of each.
    fn endpoints<'u>(&mut self, urls: impl Iterator<Item = &'u str>, at: &Spot<'_>) -> Option<Vec<String>> {
        let mut canonical: Vec<String> = Vec::new();
        let mut good = true;
        for (i, url) in urls.enumerate() {
            let address: UpstreamAddress = url.parse().ok()?;
            let text = address.to_string();
            if canonical.contains(&text) {
                let message = format!("the endpoint `{}` is written twice", shown(url));
                let help = "write it once; in an `[upstream.NAME]` an endpoint can have a `weight`";
                self.problem(at.item(i).value_span(), code::MANIFEST_DUPLICATE, message, "again here", help);
                good = false;
            }
            canonical.push(text);
        }
        let most = weft_traffic::Upstream::ENDPOINTS_MAX;
        if canonical.is_empty() || canonical.len() > most {
            let message = format!("an upstream has 1 to {most} endpoints, not {}", canonical.len());
            let help = "such as `[\"http://10.1.0.4:8080\"]`";
            self.problem(at.value_span(), code::MANIFEST_TYPE, message, "these", help);
            good = false;
        }
        good.then_some(canonical)
    }

    fn weights(&mut self, written: &Upstream, at: &Spot<'_>) {
        if !written.endpoints.is_empty() && written.endpoints.iter().all(|Endpoint(endpoint)| endpoint.weight == 0) {
            let message = "every endpoint has a weight of 0: nothing can be sent".to_owned();
            let help = "give one of them a weight";
            self.problem(at.key("endpoints").value_span(), code::MANIFEST_TYPE, message, "these", help);
        }
    }

    /// Where nobody says where he is, nobody is near.
    fn locality(&mut self, written: &Upstream, at: &Spot<'_>) {
        let Some(word) = written.policy.as_ref().and_then(|policy| policy.locality) else { return };
        let label = match Spread::from(word).near() {
            Some(Near::Zone) => "zone",
            Some(Near::Region) => "region",
            _ => return,
        };
        let says = |Endpoint(endpoint): &Endpoint| match label {
            "zone" => endpoint.zone.is_some(),
            _ => endpoint.region.is_some(),
        };
        if !written.endpoints.iter().any(says) {
            let message = format!("`locality` has no effect here: no endpoint says its `{label}`");
            let help = format!("write endpoints as `{{ url = \"…\", {label} = \"…\" }}`");
            let span = at.key("policy").key("locality").key_span();
            self.problem(span, code::MANIFEST_MISSING, message, "of what", &help);
        }
    }

    fn tls(&mut self, written: &Upstream, at: &Spot<'_>) {
        let Some(tls) = &written.tls else { return };
        let spot = at.key("tls");
        if tls.cert.is_some() != tls.key.is_some() {
            let (has, lacks) = if tls.cert.is_some() { ("cert", "key") } else { ("key", "cert") };
            let message = format!("`tls` has `{has}` without `{lacks}`");
            let help = format!("add `{lacks}`, or remove `{has}`");
            self.problem(spot.key(has).key_span(), code::MANIFEST_MISSING, message, "without the other", &help);
        }
        if !written.endpoints.iter().any(|Endpoint(endpoint)| endpoint.url.starts_with("https://")) {
            let message = "`tls` has no effect here: no endpoint is `https`".to_owned();
            self.problem(spot.key_span(), code::MANIFEST_TYPE, message, "without effect", "remove it");
        }
    }

    fn health(&mut self, written: &Upstream, at: &Spot<'_>) {
        let times = |health: &Health| [("interval", health.interval), ("timeout", health.timeout)];
        for (key, time) in written.health.iter().flat_map(times) {
            let least = if key == "interval" { Health::INTERVAL_MIN } else { Duration::from_millis(1) };
            if time.is_some_and(|time| time.0 < least) {
                let message = format!("`{key}` is shorter than {}", units::format_duration(least));
                self.problem(at.key(key).value_span(), code::MANIFEST_TYPE, message, "this", "such as `10s`");
            }
        }
    }

    /// What a route says of where its requests are passed on to.
    pub(crate) fn forward(&mut self, written: &Written, at: &Spot<'_>) -> Option<Forward> {
        let name = match written {
            Written::Endpoints(urls) => {
                return self.endpoints(urls.iter().map(String::as_str), at).map(Forward::Endpoints);
            }
            Written::Name(name) => name,
        };
        let known = || self.root.key("upstream").keys();
        if let Some(name) = Name::new(name).ok().filter(|_| known().any(|known| known == name)) {
            return Some(Forward::To(name));
        }
        let fix = match name.contains("://") {
            true => format!("endpoints are a list: `upstream = [\"{}\"]`", shown(name)),
            false => format!("declare it: `[upstream.{}] endpoints = [\"http://…\"]`", shown(name)),
        };
        self.reference("upstream", name, known(), at.value_span(), &fix);
        None
    }
}
