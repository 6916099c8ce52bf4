//! Ours, Envoy and nginx in front of one upstream, each told the same: keep connections, retry what did not arrive, count.
//!
//! None of them writes an access log: ours writes lines only of what failed. All have two workers.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use crate::{
    args::place,
    peers::free_address,
    server::{Ready, Server},
};

/// `weft up` with one route.
pub(crate) fn ours(upstream: SocketAddr, policy: &str, scratch: &Path) -> Result<Server, String> {
    let folder = scratch.join("weft");
    let manifest = format!(
        "manifest = 1\nname = \"proxy\"\n\n[upstream.origin]\nendpoints = [\"http://{upstream}\"]\n{policy}\n\
         [[route]]\npath = \"/*\"\nupstream = \"origin\"\n"
    );
    write(&folder.join("weft.toml"), &manifest)?;
    up(&folder, None)
}

/// `weft up` of the application in the folder.
pub(crate) fn up(folder: &Path, node: Option<&Path>) -> Result<Server, String> {
    let mut command = Command::new(place("WEFT_BENCH_WEFT")?);
    command.current_dir(folder).args(["up", "--no-watch", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(folder.join("data"));
    if let Some(node) = node {
        command.arg("--node").arg(node);
    }
    Server::launch("weft", command.arg(folder), &Ready::Url)
}

/// What Envoy puts before its router.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Filter {
    None,
    /// Its adaptive concurrency, with the values of its documentation.
    Adaptive,
}

const ADAPTIVE: &str = r"          - name: envoy.filters.http.adaptive_concurrency
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
              gradient_controller_config:
                sample_aggregate_percentile: { value: 90 }
                concurrency_limit_params: { concurrency_update_interval: 0.1s }
                min_rtt_calc_params:
                  jitter: { value: 10 }
                  interval: 60s
                  request_count: 50
              enabled: { default_value: true, runtime_key: adaptive_concurrency.enabled }
";

pub(crate) fn envoy(upstream: SocketAddr, filter: Filter, scratch: &Path) -> Result<Server, String> {
    let address = free_address()?;
    let config = scratch.join("envoy.yaml");
    write(&config, &envoy_config(address, upstream, filter))?;
    let mut command = Command::new(place("WEFT_BENCH_ENVOY")?);
    command.args(["--concurrency", "2", "--log-level", "error", "--disable-hot-restart", "--config-path"]);
    Server::launch("envoy", command.arg(config), &Ready::Accepts(address))
}

fn envoy_config(address: SocketAddr, upstream: SocketAddr, filter: Filter) -> String {
    let filter = if filter == Filter::Adaptive { ADAPTIVE } else { "" };
    format!(
        r"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          use_remote_address: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: {{ prefix: / }}
                route:
                  cluster: origin
                  timeout: 15s
                  retry_policy:
                    retry_on: connect-failure,refused-stream,reset,gateway-error
                    num_retries: 2
          http_filters:
{filter}          - name: envoy.filters.http.router
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: origin
    connect_timeout: 3s
    circuit_breakers:
      thresholds:
      - max_connections: 1024
        max_pending_requests: 1024
        max_requests: 1024
        retry_budget: {{ budget_percent: {{ value: 20 }}, min_retry_concurrency: 3 }}
    outlier_detection: {{ consecutive_5xx: 5 }}
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint:
            address: {{ socket_address: {{ address: {up_ip}, port_value: {up_port} }} }}
",
        ip = address.ip(),
        port = address.port(),
        up_ip = upstream.ip(),
        up_port = upstream.port(),
    )
}

pub(crate) fn nginx(upstream: SocketAddr, scratch: &Path) -> Result<Server, String> {
    let address = free_address()?;
    let folder = scratch.join("nginx");
    write(&folder.join("nginx.conf"), &nginx_config(address, upstream, &folder))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).arg("-c").arg(folder.join("nginx.conf"));
    Server::launch("nginx", &mut command, &Ready::Accepts(address))
}

fn nginx_config(address: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off;\nworker_processes 2;\npid {folder}/pid;\nerror_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/f;\n  uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n  \
         keepalive_requests 1000000000;\n  \
         upstream origin {{ server {upstream} max_fails=5; keepalive 256; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://origin;\n      \
         proxy_http_version 1.1;\n      proxy_set_header connection '';\n      \
         proxy_set_header x-forwarded-for $proxy_add_x_forwarded_for;\n      \
         proxy_next_upstream error timeout http_502 http_503 http_504;\n      proxy_next_upstream_tries 3;\n    }}\n  }}\n}}\n"
    )
}

pub(crate) fn write(file: &Path, text: &str) -> Result<(), String> {
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    folder.and_then(|()| fs::write(file, text)).map_err(|e| format!("{}: {e}", file.display()))
}
