//! The OpenAPI document, made from the types and from one table of operations.

use utoipa::{
    OpenApi,
    openapi::{
        Content, HttpMethod, InfoBuilder, OpenApi as Document, PathItem, PathsBuilder, Ref, RefOr, Required, Response,
        ResponseBuilder, SecurityRequirement,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    Access, AdaptiveStatus, Application, ApplicationStatus, ApplicationSummary, Applications, Applied, Apply,
    ArmStatus, Artefact, BreakerStatus, Candidate, Change, Component, ComponentStatus, EndpointStatus, Explanation,
    FaultPulse, FaultStatus, Faults, HedgeStatus, LimitReport, Listener, LogLevel, LogLine, LogPage, NewFault,
    NodeState, Param, Place, PolicyField, Problem, Removed, RequestReport, Revision, Revisions, Rollback, Route,
    Routes, Serves, Service, SloStatus, SplitStatus, State, Status, StoreStatus, TryReport, UpstreamStatus, path,
};

#[derive(OpenApi)]
#[openapi(components(schemas(
    AdaptiveStatus,
    Application,
    ApplicationStatus,
    ApplicationSummary,
    Applications,
    Applied,
    Apply,
    Artefact,
    Candidate,
    Change,
    Component,
    ComponentStatus,
    UpstreamStatus,
    BreakerStatus,
    EndpointStatus,
    HedgeStatus,
    SplitStatus,
    ArmStatus,
    Explanation,
    Access,
    FaultPulse,
    FaultStatus,
    Faults,
    Listener,
    LogLevel,
    LogLine,
    LogPage,
    NewFault,
    NodeState,
    Param,
    Place,
    PolicyField,
    Problem,
    Removed,
    RequestReport,
    LimitReport,
    TryReport,
    Revision,
    Revisions,
    Rollback,
    Route,
    Routes,
    Serves,
    Service,
    SloStatus,
    State,
    Status,
    StoreStatus
)))]
struct Schemas;

/// One operation: what it is called, what it takes, what it answers.
struct Entry {
    method: HttpMethod,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    takes: Takes,
    /// Status, meaning, and the schema of the body if it has one.
    gives: &'static [(u16, &'static str, Option<&'static str>)],
    /// Codes that the caller should expect, by status.
    fails: &'static [(u16, &'static str)],
}

enum Takes {
    Nothing,
    Json(&'static str),
    Bytes,
    Explain,
    Logs,
}

const TABLE: &[Entry] = &[
    Entry {
        method: HttpMethod::Get,
        path: path::APPLICATIONS,
        id: "list-applications",
        summary: "Every application of the node",
        takes: Takes::Nothing,
        gives: &[(200, "The applications by name", Some("Applications"))],
        fails: &[],
    },
    Entry {
        method: HttpMethod::Post,
        path: path::APPLICATIONS,
        id: "apply",
        summary: "Apply an application: a new revision, which serves once it is ready",
        takes: Takes::Json("Apply"),
        gives: &[(200, "It serves, or did already", Some("Applied"))],
        fails: &[
            (400, "A request that cannot be read, a manifest that is wrong"),
            (409, "A route of another application is in the way, or `if-revision` is not the current one"),
            (422, "An artefact is missing, or is no component that this node can run"),
            (507, "The store has no room left"),
        ],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::APPLICATION,
        id: "get-application",
        summary: "One application in full",
        takes: Takes::Nothing,
        gives: &[(200, "The application", Some("Application"))],
        fails: &[(404, "There is no such application")],
    },
    Entry {
        method: HttpMethod::Delete,
        path: path::APPLICATION,
        id: "remove",
        summary: "Remove an application; what it has begun is finished, its data stays",
        takes: Takes::Nothing,
        gives: &[(200, "It serves no more", Some("Removed"))],
        fails: &[(404, "There is no such application")],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::REVISIONS,
        id: "list-revisions",
        summary: "The kept revisions of an application, the newest first",
        takes: Takes::Nothing,
        gives: &[(200, "The revisions", Some("Revisions"))],
        fails: &[(404, "There is no such application")],
    },
    Entry {
        method: HttpMethod::Post,
        path: path::ROLLBACK,
        id: "rollback",
        summary: "Return to a kept revision: a pointer swap",
        takes: Takes::Json("Rollback"),
        gives: &[(200, "It serves", Some("Applied"))],
        fails: &[(404, "There is no such application"), (409, "There is no such revision to return to")],
    },
    Entry {
        method: HttpMethod::Put,
        path: path::ARTEFACT,
        id: "put-artefact",
        summary: "Send an artefact, which must have the digest of its address",
        takes: Takes::Bytes,
        gives: &[(200, "The node had it already", Some("Artefact")), (201, "The node has it now", Some("Artefact"))],
        fails: &[
            (400, "The bytes have another digest"),
            (413, "It is larger than 256 MiB"),
            (507, "The store has no room left"),
        ],
    },
    Entry {
        method: HttpMethod::Head,
        path: path::ARTEFACT,
        id: "has-artefact",
        summary: "Whether the node has an artefact",
        takes: Takes::Nothing,
        gives: &[(200, "It has", None), (404, "It must be sent", None)],
        fails: &[],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::STATUS,
        id: "status",
        summary: "The node at this moment",
        takes: Takes::Nothing,
        gives: &[(200, "The status", Some("Status"))],
        fails: &[],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::ROUTES,
        id: "list-routes",
        summary: "Every route of the node in the order in which they are tried",
        takes: Takes::Nothing,
        gives: &[(200, "The routes", Some("Routes"))],
        fails: &[],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::EXPLAIN,
        id: "explain",
        summary: "Which route, application, component, policy and service a request would meet, and why",
        takes: Takes::Explain,
        gives: &[(200, "The explanation", Some("Explanation"))],
        fails: &[(400, "A parameter is missing or wrong")],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::REQUEST,
        id: "get-request",
        summary: "What became of a request: route, policy, limit, caller, tries, time; kept for a while",
        takes: Takes::Nothing,
        gives: &[(200, "The request", Some("RequestReport"))],
        fails: &[(400, "It is no request id"), (404, "It is not kept here, or not over")],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::FAULTS,
        id: "list-faults",
        summary: "The faults that are put in on purpose",
        takes: Takes::Nothing,
        gives: &[(200, "Those in force, and those that are yet to begin", Some("Faults"))],
        fails: &[],
    },
    Entry {
        method: HttpMethod::Post,
        path: path::FAULTS,
        id: "put-fault",
        summary: "Put a fault in: it ends by itself, and with the node's process",
        takes: Takes::Json("NewFault"),
        gives: &[(201, "It is in force", Some("FaultStatus"))],
        fails: &[
            (400, "A fault that cannot be, or whose place the application does not have"),
            (404, "There is no such application"),
        ],
    },
    Entry {
        method: HttpMethod::Delete,
        path: path::FAULT,
        id: "remove-fault",
        summary: "Take a fault out before its end",
        takes: Takes::Nothing,
        gives: &[(200, "It harms no more", Some("FaultStatus"))],
        fails: &[(404, "There is no such fault, or it has ended")],
    },
    Entry {
        method: HttpMethod::Get,
        path: path::LOGS,
        id: "logs",
        summary: "The latest lines of the node's log, its guests' included; or those after a number, waiting for them",
        takes: Takes::Logs,
        gives: &[(200, "Some lines, oldest first", Some("LogPage"))],
        fails: &[(400, "A parameter is wrong")],
    },
];

/// The document that `/v1/openapi.json` serves and `docs/openapi.json` keeps.
pub fn document() -> Document {
    let mut document = Schemas::openapi();
    document.info = InfoBuilder::new()
        .title("Weft admin API")
        .version("1")
        .description(Some(
            "Speaks to one node. Every failure is a Problem with a stable code, and has the header `weft-error`.",
        ))
        .license(Some(utoipa::openapi::License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let paths = TABLE.iter().fold(PathsBuilder::new(), |paths, entry| {
        paths.path(entry.path, PathItem::new(entry.method.clone(), operation(entry)))
    });
    document.paths = paths.build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    document
}

/// The document as text, ending in a newline.
pub fn text() -> String {
    let json = document().to_pretty_json().expect("strings and maps are JSON");
    format!("{json}\n")
}

fn operation(entry: &Entry) -> Operation {
    let mut operation = OperationBuilder::new().operation_id(Some(entry.id)).summary(Some(entry.summary));
    for (name, meaning) in [
        ("name", "The application"),
        ("digest", "`sha256:` and 64 hexadecimal digits"),
        ("id", "As every error of ours has it: `inv_` and 32 hexadecimal digits"),
        ("number", "As the list has it"),
    ] {
        if entry.path.contains(&format!("{{{name}}}")) {
            operation = operation.parameter(parameter(name, meaning, ParameterIn::Path, Required::True));
        }
    }
    operation = match entry.takes {
        Takes::Nothing => operation,
        Takes::Json(schema) => operation.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", content(schema))
                .required(Some(Required::True))
                .build(),
        )),
        Takes::Bytes => operation.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/octet-stream", bytes())
                .required(Some(Required::True))
                .build(),
        )),
        Takes::Explain => operation
            .parameter(parameter("method", "GET where it is absent", ParameterIn::Query, Required::False))
            .parameter(parameter("url", "Absolute, or only a path", ParameterIn::Query, Required::True))
            .parameter(headers())
            .parameter(parameter("as", "Who is calling, as if proven", ParameterIn::Query, Required::False))
            .parameter(parameter("auth", "By which declaration of `[auth]`", ParameterIn::Query, Required::False))
            .parameter(parameter("tenant", "For which tenant", ParameterIn::Query, Required::False))
            .parameter(parameter("role", "With which role; as often as needed", ParameterIn::Query, Required::False)),
        Takes::Logs => crate::LogQuery::PARAMETERS.iter().fold(operation, |operation, (name, meaning)| {
            operation.parameter(parameter(name, meaning, ParameterIn::Query, Required::False))
        }),
    };
    for (status, meaning, schema) in entry.gives {
        operation = operation.response(status.to_string(), response(meaning, "application/json", *schema));
    }
    for (status, meaning) in entry
        .fails
        .iter()
        .chain(&[(401, "The token is missing or wrong"), (403, "The operator's role does not allow it")])
    {
        let problem = response(meaning, Problem::CONTENT_TYPE, Some("Problem"));
        operation = operation.response(status.to_string(), problem);
    }
    operation.build()
}

fn parameter(name: &str, meaning: &str, place: ParameterIn, required: Required) -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(meaning))
        .schema(Some(text))
        .build()
}

/// Given as often as there are headers.
fn headers() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ParameterBuilder::new()
        .name("header")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("`name: value`, as often as needed"))
        .schema(Some(ArrayBuilder::new().items(text)))
        .build()
}

fn content(schema: &str) -> Content {
    Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name(schema))))
}

fn bytes() -> Content {
    let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
    Content::new(Some(ObjectBuilder::new().schema_type(Type::String).format(Some(binary))))
}

fn response(meaning: &str, kind: &str, schema: Option<&str>) -> Response {
    let response = ResponseBuilder::new().description(meaning);
    match schema {
        Some(schema) => response.content(kind, content(schema)).build(),
        None => response.build(),
    }
}
