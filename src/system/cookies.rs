//! The cookies of one request and of the redirects that it follows, as Python's `http.cookiejar` keeps them.

use hyper::HeaderMap;

use super::web::origin;

/// Cookies kept at most, and bytes of each: a server shall not fill the memory.
const MOST: usize = 300;
const LONGEST: usize = 16 << 10;

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    /// The server named a domain, so hosts below it get the cookie, too.
    below: bool,
    path: String,
    secure: bool,
}

/// The jar, newest first.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Cookie>);

/// The host of a URL in lower case, without its port.
fn host(url: &str) -> String {
    let host = origin(url).split("://").nth(1).unwrap_or_default();
    let end = if host.starts_with('[') { host.find(']').map(|at| at + 1) } else { host.find(':') };
    host[..end.unwrap_or(host.len())].to_ascii_lowercase()
}

fn path(url: &str) -> &str {
    let path = url[origin(url).len()..].split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

fn is_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The path is the cookie's, or below it.
fn covers(cookie: &str, path: &str) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

fn is_past(date: &str) -> bool {
    let date = date.replace('-', " ");
    jiff::fmt::rfc2822::parse(&date).is_ok_and(|at| at.timestamp() <= jiff::Timestamp::now())
}

impl Jar {
    /// Takes what an answer sets.
    pub(super) fn fill(&mut self, url: &str, headers: &HeaderMap) {
        for header in headers.get_all("set-cookie") {
            let text = String::from_utf8_lossy(header.as_bytes());
            if text.len() <= LONGEST {
                self.set(url, &text);
            }
        }
        self.0.truncate(MOST);
    }

    fn set(&mut self, url: &str, text: &str) {
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let own = host(url);
        let folder = path(url).rfind('/').map_or("/", |at| &path(url)[..at.max(1)]);
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().trim_matches('"').to_owned(),
            host: own.clone(),
            below: false,
            path: folder.to_owned(),
            secure: false,
        };
        let mut gone = false;
        let mut age = false;
        for part in parts {
            let (key, value) =
                part.split_once('=').map_or((part.trim(), ""), |(key, value)| (key.trim(), value.trim()));
            match key.to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    // Nobody sets cookies of others, nor of all hosts of a top domain.
                    if !is_below(&own, &domain) || (domain != own && !domain.contains('.')) {
                        return;
                    }
                    (cookie.host, cookie.below) = (domain, true);
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => (gone, age) = (value.parse().is_ok_and(|seconds: i64| seconds <= 0), true),
                "expires" if !age => gone = is_past(value),
                _ => {}
            }
        }
        let same = |known: &Cookie| known.name == cookie.name && known.host == cookie.host && known.path == cookie.path;
        match (self.0.iter().position(same), gone) {
            (Some(at), true) => drop(self.0.remove(at)),
            (Some(at), false) => self.0[at] = cookie,
            (None, false) => self.0.insert(0, cookie),
            (None, true) => {}
        }
    }

    /// What goes to a URL, the longest paths first.
    pub(super) fn header(&self, url: &str) -> Option<String> {
        let (host, path) = (host(url), path(url));
        let fits = |cookie: &&Cookie| {
            let there = cookie.host == host || (cookie.below && is_below(&host, &cookie.host));
            there && covers(&cookie.path, path) && (!cookie.secure || url.starts_with("https://"))
        };
        let mut cookies: Vec<&Cookie> = self.0.iter().filter(fits).collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        Some(pairs.join("; ")).filter(|text| !text.is_empty())
    }

    /// Names and values.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        self.0.iter().map(|cookie| (cookie.name.clone(), cookie.value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_where_they_belong() {
        let mut jar = Jar::default();
        jar.set("http://a.example:80/x/y", "sid=42; HttpOnly");
        jar.set("http://a.example/x/y", "wide=1; Domain=.example.; Path=/");
        jar.set("http://a.example/x/y", "top=1; Domain=example");
        jar.set("http://a.b.example/", "below=\"q\"; Domain=b.example; Path=/");
        jar.set("https://a.example/", "safe=s; Secure; Path=/");
        let check = |url: &str, expected: Option<&str>| assert_eq!(jar.header(url).as_deref(), expected, "{url}");
        check("http://a.example/x/z?q", Some("sid=42"));
        check("http://A.example:8080/x", Some("sid=42"));
        check("http://a.example/xy", None);
        check("https://a.example/", Some("safe=s"));
        check("https://a.example/x/", Some("sid=42; safe=s"));
        check("http://b.example/", Some("below=q"));
        check("http://c.b.example/deep", Some("below=q"));
        check("http://evilb.example/", None);
        check("http://other/x/y", None);
    }

    #[test]
    fn cookies_are_replaced_and_go() {
        let mut jar = Jar::default();
        for text in ["a=1", "b=2", "a=3", "no value", "c=4; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "d=5; Max-Age=60"] {
            jar.set("http://[::1]:80/", text);
        }
        let names: Vec<String> = jar.all().into_iter().map(|(name, value)| name + &value).collect();
        assert_eq!(names, ["d5", "b2", "a3"]);
        jar.set("http://[::1]/", "b=; Max-Age=0");
        assert_eq!(jar.header("http://[::1]/q").as_deref(), Some("d=5; a=3"));
    }
}
