//! What a browser does in a login: it keeps cookies, follows redirects and sends forms. Each host is an address.

use std::collections::BTreeMap;

use super::{Response, request};

/// Cookies by host, path and name.
#[derive(Default)]
pub(crate) struct Browser {
    hosts: BTreeMap<String, String>,
    jar: BTreeMap<(String, String, String), String>,
}

impl Browser {
    /// Its hosts are at these URLs: `shop.test` at `http://127.0.0.1:1`.
    pub(crate) fn new(hosts: &[(&str, &str)]) -> Self {
        let hosts = hosts.iter().map(|(host, url)| ((*host).to_owned(), (*url).to_owned())).collect();
        Self { hosts, jar: BTreeMap::new() }
    }

    pub(crate) fn moved(&mut self, host: &str, url: &str) {
        self.hosts.insert(host.to_owned(), url.to_owned());
    }

    /// A page, as somebody opens it.
    pub(crate) fn open(&mut self, url: &str) -> Response {
        self.send("GET", url, "accept: text/html,*/*;q=0.8\r\nsec-fetch-mode: navigate\r\n", "")
    }

    /// What a page fetches.
    pub(crate) fn fetch(&mut self, url: &str) -> Response {
        self.send("GET", url, "accept: */*\r\nsec-fetch-mode: cors\r\n", "")
    }

    pub(crate) fn post(&mut self, url: &str, form: &str) -> Response {
        let more = "accept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\n";
        self.send("POST", url, more, form)
    }

    /// Opens a page and goes wherever it is sent, but for an address that begins so.
    pub(crate) fn follow(&mut self, mut response: Response, mut url: String, until: &str) -> (Response, String) {
        for _ in 0..10 {
            let Some(to) = field(&response, "location").map(|to| absolute(&url, &to)) else { return (response, url) };
            if !until.is_empty() && to.starts_with(until) {
                return (response, to);
            }
            (response, url) = (self.open(&to), to);
        }
        panic!("redirected in circles: {url}");
    }

    pub(crate) fn send(&mut self, method: &str, url: &str, more: &str, body: &str) -> Response {
        let (host, target) = split(url);
        let path = target.split('?').next().unwrap_or_default();
        let mine = self.jar.iter().filter(|((of, at, _), _)| of == host && path.starts_with(at.as_str()));
        let cookies: Vec<String> = mine.map(|((.., name), value)| format!("{name}={value}")).collect();
        let cookies = if cookies.is_empty() { String::new() } else { format!("cookie: {}\r\n", cookies.join("; ")) };
        let length = body.len();
        let text = format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\n{cookies}{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let at = self.hosts.get(host).cloned().unwrap_or_else(|| format!("http://{host}"));
        let response = request(&at, &text);
        fields(&response, "set-cookie").iter().for_each(|line| self.keep(host, line));
        response
    }

    fn keep(&mut self, host: &str, line: &str) {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let attributes: Vec<&str> = parts.collect();
        let of = |wanted: &str| {
            let found = attributes.iter().filter_map(|one| one.split_once('='));
            found.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned()).next()
        };
        let key = (host.to_owned(), of("path").unwrap_or_else(|| "/".to_owned()), name.to_owned());
        let gone = of("max-age").as_deref() == Some("0") || of("expires").is_some_and(|at| at.contains(" 1970 "));
        match gone {
            true => drop(self.jar.remove(&key)),
            false => drop(self.jar.insert(key, value.to_owned())),
        }
    }

    /// Cookies of a host: `name=value`.
    pub(crate) fn cookies(&self, host: &str) -> Vec<String> {
        let mine = self.jar.iter().filter(|((of, ..), _)| of == host);
        mine.map(|((.., name), value)| format!("{name}={value}")).collect()
    }

    pub(crate) fn plant(&mut self, host: &str, name: &str, value: &str) {
        self.jar.insert((host.to_owned(), "/".to_owned(), name.to_owned()), value.to_owned());
    }
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("no http URL: {url}"));
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

fn absolute(base: &str, to: &str) -> String {
    if to.starts_with("http://") { to.to_owned() } else { format!("http://{}{to}", split(base).0) }
}

pub(crate) fn fields(response: &Response, name: &str) -> Vec<String> {
    let lines = response.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

pub(crate) fn field(response: &Response, name: &str) -> Option<String> {
    fields(response, name).into_iter().next()
}

/// A parameter of a URL's query, as it stands there.
pub(crate) fn parameter<'a>(url: &'a str, name: &str) -> &'a str {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.map_or_else(|| panic!("no {name} in {url}"), |(_, value)| value)
}
