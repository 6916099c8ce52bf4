//! From two looks at counters to what happened between them.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::scrape::{Scrape, Series};

/// What a node did between two looks.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Look {
    pub(super) seconds: f64,
    /// Requests a second, of all routes and of none.
    pub(super) rate: f64,
    pub(super) active: u64,
    pub(super) connections: u64,
    /// Processors in use: 1.5 is one and a half.
    pub(super) cpu: f64,
    /// Resident bytes of the process.
    pub(super) memory: f64,
    /// The busiest first.
    pub(super) routes: Vec<Row>,
    pub(super) components: Vec<Row>,
    pub(super) upstreams: Vec<Row>,
}

/// One of them. What makes no sense for its kind is 0 or absent.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) application: String,
    /// Of requests that ended, a second.
    pub(super) rate: f64,
    /// Share of those that failed. Absent: none ended.
    pub(super) errors: Option<f64>,
    /// Seconds, from the histogram's buckets: within a bucket they are taken for evenly spread.
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
    pub(super) active: u64,
    pub(super) sockets: u64,
    pub(super) queue: u64,
    pub(super) shed: f64,
    pub(super) instances: u64,
    /// Largest linear memory of an instance, in bytes.
    pub(super) memory: f64,
    pub(super) retries: f64,
    pub(super) breaker: Option<String>,
    pub(super) endpoints: u64,
    pub(super) endpoints_up: u64,
    #[serde(skip)]
    pub(super) ended: f64,
    #[serde(skip)]
    pub(super) failed: f64,
    /// By upper bound, how many ended within it.
    #[serde(skip)]
    pub(super) buckets: Vec<(f64, f64)>,
}

/// What one series has counted since it was seen before; all of it where it is new, or began anew.
struct Between<'a> {
    before: &'a Scrape,
    now: &'a Scrape,
}

impl Between<'_> {
    fn each(&self, name: &str, mut with: impl FnMut(&Series, f64)) {
        let known: BTreeMap<_, _> = self.before.all(name).iter().map(|series| (series.key(), series.value)).collect();
        for series in self.now.all(name) {
            let was = known.get(&series.key()).copied().unwrap_or(0.0);
            with(series, if series.value >= was { series.value - was } else { series.value });
        }
    }

    fn total(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        self.each(name, |_, counted| sum += counted);
        sum
    }
}

type Rows = BTreeMap<(String, String), Row>;
/// A metric, and what it says of a row.
type Gauge = (&'static str, fn(&mut Row, &Series));

fn row<'a>(rows: &'a mut Rows, application: &str, name: &str) -> &'a mut Row {
    let key = (application.to_owned(), name.to_owned());
    rows.entry(key).or_insert_with(|| Row {
        name: name.to_owned(),
        application: application.to_owned(),
        ..Row::default()
    })
}

impl Look {
    pub(super) fn between(before: &Scrape, now: &Scrape, took: Duration) -> Self {
        let seconds = took.as_secs_f64().max(0.001);
        let between = Between { before, now };
        let routes = sorted(routes(&between), seconds);
        Self {
            seconds,
            rate: between.total("http_server_request_duration_seconds_count") / seconds,
            active: now.total("http_server_active_requests") as u64,
            connections: now.total("weft_connections_active") as u64,
            cpu: between.total("process_cpu_seconds_total") / seconds,
            memory: now.total("process_resident_memory_bytes"),
            routes,
            components: sorted(components(&between), seconds),
            upstreams: sorted(upstreams(&between), seconds),
        }
    }

    /// Forgets all other applications.
    pub(super) fn keep(&mut self, application: &str) {
        for rows in [&mut self.routes, &mut self.components, &mut self.upstreams] {
            rows.retain(|row| row.application == application);
        }
    }
}

fn routes(between: &Between<'_>) -> Rows {
    let mut rows = Rows::new();
    let of = |series: &Series| {
        let application = series.label("application").to_owned();
        let path = format!("{}{}", series.label("server_address"), series.label("http_route"));
        let name = if application.is_empty() { "(no route)".to_owned() } else { format!("{application} {path}") };
        (application, name)
    };
    between.each("http_server_request_duration_seconds_count", |series, counted| {
        let (application, name) = of(series);
        let row = row(&mut rows, &application, &name);
        row.ended += counted;
        if series.label("http_response_status_code").starts_with('5') {
            row.failed += counted;
        }
    });
    between.each("http_server_request_duration_seconds_bucket", |series, counted| {
        let (application, name) = of(series);
        row(&mut rows, &application, &name).bucket(series, counted);
    });
    for series in between.now.all("http_server_active_requests") {
        let (application, name) = of(series);
        row(&mut rows, &application, &name).active = series.value as u64;
    }
    for series in between.now.all("weft_websockets_active") {
        let (application, name) = of(series);
        row(&mut rows, &application, &name).sockets = series.value as u64;
    }
    rows
}

fn components(between: &Between<'_>) -> Rows {
    let mut rows = Rows::new();
    let of = |series: &Series| {
        let application = series.label("application").to_owned();
        let name = format!("{application}/{}", series.label("component"));
        (application, name)
    };
    between.each("weft_invocations_total", |series, counted| {
        let (application, name) = of(series);
        let row = row(&mut rows, &application, &name);
        row.ended += counted;
        if series.label("class") == "failure" {
            row.failed += counted;
        }
    });
    between.each("weft_shed_total", |series, counted| {
        let (application, name) = of(series);
        row(&mut rows, &application, &name).shed += counted;
    });
    between.each("weft_invocation_duration_seconds_bucket", |series, counted| {
        let (application, name) = of(series);
        row(&mut rows, &application, &name).bucket(series, counted);
    });
    let gauges: [Gauge; 4] = [
        ("weft_invocations_active", |row, series| row.active = series.value as u64),
        ("weft_queue_waiting", |row, series| row.queue = series.value as u64),
        ("weft_instances_live", |row, series| row.instances = series.value as u64),
        ("weft_guest_memory_peak_bytes", |row, series| row.memory = series.value),
    ];
    for (name, set) in gauges {
        for series in between.now.all(name) {
            let (application, name) = of(series);
            set(row(&mut rows, &application, &name), series);
        }
    }
    rows
}

fn upstreams(between: &Between<'_>) -> Rows {
    let mut rows = Rows::new();
    let of = |series: &Series| {
        let application = series.label("application").to_owned();
        let name = format!("{application}/{}", series.label("upstream"));
        (application, name)
    };
    between.each("weft_upstream_tries_total", |series, counted| {
        let (application, name) = of(series);
        let row = row(&mut rows, &application, &name);
        row.ended += counted;
        if series.label("class") == "failure" {
            row.failed += counted;
        }
    });
    between.each("weft_upstream_retries_total", |series, counted| {
        let (application, name) = of(series);
        row(&mut rows, &application, &name).retries += counted;
    });
    let gauges: [Gauge; 4] = [
        ("weft_upstream_active", |row, series| row.active = series.value as u64),
        ("weft_upstream_waiting", |row, series| row.queue = series.value as u64),
        ("weft_upstream_endpoint_up", |row, series| {
            row.endpoints += 1;
            row.endpoints_up += u64::from(series.value > 0.0);
        }),
        ("weft_breaker_state", |row, series| {
            if series.value > 0.0 {
                row.breaker = Some(series.label("state").to_owned());
            }
        }),
    ];
    for (name, set) in gauges {
        for series in between.now.all(name) {
            // A component's breaker has its name and no upstream's.
            if series.label("upstream").is_empty() {
                continue;
            }
            let (application, name) = of(series);
            set(row(&mut rows, &application, &name), series);
        }
    }
    rows
}

impl Row {
    fn bucket(&mut self, series: &Series, counted: f64) {
        let bound = match series.label("le") {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().unwrap_or(f64::INFINITY),
        };
        match self.buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, all)) => *all += counted,
            None => self.buckets.push((bound, counted)),
        }
    }

    /// The time within which `share` of what ended has ended. `None`: nothing ended.
    fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.buckets.last().map(|(_, all)| *all).filter(|all| *all > 0.0)?;
        let wanted = share * all;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, within) in &self.buckets {
            if *within >= wanted && *within > 0.0 {
                let part = if *within > below { (wanted - below) / (within - below) } else { 1.0 };
                return Some(if bound.is_finite() { low + (bound - low) * part } else { low });
            }
            (low, below) = (*bound, *within);
        }
        None
    }
}

/// Rates, quantiles, and the order.
fn sorted(rows: Rows, seconds: f64) -> Vec<Row> {
    let mut rows: Vec<Row> = rows.into_values().collect();
    for row in &mut rows {
        row.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        (row.p50, row.p99) = (row.quantile(0.5), row.quantile(0.99));
        row.rate = row.ended / seconds;
        row.errors = (row.ended > 0.0).then(|| row.failed / row.ended);
        (row.shed, row.retries) = (row.shed / seconds, row.retries / seconds);
    }
    rows.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(b.active.cmp(&a.active)).then(a.name.cmp(&b.name)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(requests: (u32, u32), within: (u32, u32)) -> Scrape {
        let route = "application=\"shop\",server_address=\"\",http_route=\"/*\",http_request_method=\"GET\"";
        let text = format!(
            "http_server_request_duration_seconds_count{{{route},http_response_status_code=\"200\"}} {}\n\
             http_server_request_duration_seconds_count{{{route},http_response_status_code=\"502\"}} {}\n\
             http_server_request_duration_seconds_bucket{{{route},http_response_status_code=\"200\",le=\"0.001\"}} {}\n\
             http_server_request_duration_seconds_bucket{{{route},http_response_status_code=\"200\",le=\"0.01\"}} {}\n\
             http_server_request_duration_seconds_bucket{{{route},http_response_status_code=\"200\",le=\"+Inf\"}} {}\n\
             http_server_active_requests{{application=\"shop\",server_address=\"\",http_route=\"/*\"}} 3\n\
             weft_breaker_state{{application=\"shop\",upstream=\"pay\",state=\"open\"}} 1\n\
             weft_breaker_state{{application=\"shop\",upstream=\"pay\",state=\"closed\"}} 0\n",
            requests.0, requests.1, within.0, within.1, within.1
        );
        Scrape::read(&text).expect("metrics")
    }

    #[test]
    fn what_happened_in_between_is_what_is_shown() {
        let look = Look::between(&scrape((100, 0), (50, 100)), &scrape((280, 20), (140, 280)), Duration::from_secs(2));
        assert_eq!(look.rate, 100.0);
        let [route] = &look.routes[..] else { panic!("{look:?}") };
        assert_eq!((route.name.as_str(), route.rate, route.errors, route.active), ("shop /*", 100.0, Some(0.1), 3));
        assert_eq!(route.p50, Some(0.001), "half of them within the first bucket");
        let p99 = route.p99.expect("they ended");
        assert!(p99 > 0.0097 && p99 < 0.01, "{p99}");
        assert_eq!(look.upstreams[0].breaker.as_deref(), Some("open"));
    }

    #[test]
    fn counters_that_began_anew_count_from_nothing() {
        let look = Look::between(&scrape((100, 0), (50, 100)), &scrape((10, 0), (10, 10)), Duration::from_secs(1));
        assert_eq!(look.routes[0].rate, 10.0);
        let quiet = Look::between(&scrape((10, 0), (5, 10)), &scrape((10, 0), (5, 10)), Duration::from_secs(1));
        assert_eq!((quiet.routes[0].errors, quiet.routes[0].p50), (None, None));
    }
}
