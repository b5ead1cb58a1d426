//! Guards a server on loopback against web pages: a name that was rebound to 127.0.0.1, or a foreign page that posts.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use contract::{Code, problem::Problem};

/// Refuses requests whose `Host` is not a loopback name (421) or whose `Origin` is another site's (403).
pub(crate) async fn loopback_only(request: Request, next: Next) -> Response {
    match judge(request.headers()) {
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

fn judge(headers: &HeaderMap) -> Result<(), Box<Problem>> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text(header::HOST).is_some_and(|host| !is_loopback(host)) {
        return Err(Box::new(Problem::new(
            421,
            Code::MisdirectedRequest,
            "this server answers on loopback names only",
        )));
    }
    let foreign = |origin: &str| {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        !host.is_some_and(is_loopback)
    };
    if text(header::ORIGIN).is_some_and(foreign) {
        return Err(Box::new(Problem::new(
            403,
            Code::ForeignOrigin,
            "this server takes no requests from other sites",
        )));
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

    #[test]
    fn a_page_of_another_site_is_refused() {
        let check = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            judge(&headers).map_err(|problem| problem.status)
        };
        assert_eq!(check("localhost:1", None), Ok(()));
        assert_eq!(check("localhost:1", Some("http://127.0.0.1:3000")), Ok(()));
        assert_eq!(check("evil.test", None), Err(421));
        assert_eq!(check("localhost", Some("https://evil.test")), Err(403));
        assert_eq!(check("localhost", Some("null")), Err(403));
    }
}
