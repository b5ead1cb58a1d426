//! Guards a server on loopback against web pages: a name that was rebound to 127.0.0.1, or a foreign page that posts.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::{Code, problem::Problem};

/// Refuses requests that are made to another name than a loopback's (421) or to none (400), and those whose `Origin` is
/// another site's (403).
pub(crate) async fn loopback_only(request: Request, next: Next) -> Response {
    match judge(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
            (
                status,
                [(header::CONTENT_TYPE, "application/problem+json")],
                serde_json::to_string(&problem).unwrap_or_default(),
            )
                .into_response()
        }
    }
}

/// The name may stand in the request's target, where it counts more than the header, and in the header, where a page that
/// was rebound leaves its own: each that is there has to be a loopback's.
fn judge(target: &Uri, headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let refuse = |status, code, title| Err(Box::new(Problem::new(status, code, title)));
    let texts = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?"));
    let authority = target.authority().map(Authority::as_str);
    let hosts: Vec<&str> = texts(header::HOST).collect();
    if hosts.len() > 1 || hosts.is_empty() && authority.is_none() {
        return refuse(400, Code::InvalidHeader, "Send one Host header.");
    }
    if !hosts.into_iter().chain(authority).all(is_loopback) {
        let title = "this server answers on loopback names only";
        return refuse(421, Code::MisdirectedRequest, title);
    }
    let foreign = |origin: &str| {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        !host.is_some_and(is_loopback)
    };
    if texts(header::ORIGIN).any(foreign) {
        let title = "this server takes no requests from other sites";
        return refuse(403, Code::ForeignOrigin, title);
    }
    Ok(())
}

/// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        Some(_) | None => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_pass_with_any_port_and_nothing_else_does() {
        for good in ["localhost", "LOCALHOST:8787", "127.0.0.1:80", "[::1]:9", "[::1]"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test:80",
            "127.0.0.2",
            "",
            "::1",
            "localhost:x",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    /// The status with which a request is refused.
    fn refused(target: &str, headers: &[(header::HeaderName, &str)]) -> Option<u16> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        judge(&target.parse().unwrap(), &headers).err().map(|problem| problem.status)
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let check =
            |origin| refused("/", &[(header::HOST, "localhost:1"), (header::ORIGIN, origin)]);
        assert_eq!(check("http://127.0.0.1:3000"), None);
        assert_eq!(check("https://evil.test"), Some(403));
        assert_eq!(check("null"), Some(403));
        let both = [(header::HOST, "localhost"), (header::ORIGIN, "http://localhost")];
        let more = [both[0].clone(), both[1].clone(), (header::ORIGIN, "https://evil.test")];
        assert_eq!(refused("/", &more), Some(403));
    }

    #[test]
    fn the_name_is_judged_wherever_it_stands() {
        let host = |name| [(header::HOST, name)];
        for (target, headers, expected) in [
            ("/health", &host("localhost:8787")[..], None),
            ("/health", &host("evil.test"), Some(421)),
            ("/health", &host("\u{fc}"), Some(421)),
            ("/health", &[], Some(400)),
            ("/health", &[(header::HOST, "localhost"), (header::HOST, "evil.test")], Some(400)),
            ("http://localhost:8787/health", &[], None),
            ("http://127.0.0.1/health", &host("localhost"), None),
            ("http://evil.test/health", &[], Some(421)),
            ("http://evil.test/health", &host("localhost"), Some(421)),
            ("http://localhost/health", &host("evil.test"), Some(421)),
            ("http://localhost@evil.test/health", &host("localhost"), Some(421)),
            ("http://evil.test@localhost/health", &host("localhost"), Some(421)),
            ("evil.test:80", &host("localhost"), Some(421)),
            ("*", &host("localhost"), None),
        ] {
            assert_eq!(refused(target, headers), expected, "{target} {headers:?}");
        }
    }
}
