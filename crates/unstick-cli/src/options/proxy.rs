//! The options of proxies, and how they apply: an option or the environment names the proxy.

use clap::Args;
#[cfg(unix)]
use unstick::Options;
use unstick::endpoint::Proxy;
use unstick::{Address, Error, Result};

use crate::options::endpoint::{EndpointOptions, misplaced};
use crate::options::secrets;

/// How TCP connections leave this machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct ProxyArgs {
    /// Connect through a proxy: socks5://[USER:PASSWORD@]HOST:PORT or http://...; env: the proxy in ALL_PROXY,
    /// HTTPS_PROXY, HTTP_PROXY and NO_PROXY; @FILE: the proxy in a file, so that other users cannot see its password. The proxy
    /// resolves names
    #[arg(long, value_name = "PROXY")]
    pub proxy: Option<String>,
}

/// Sets the proxy of each of these ends that can connect through one.
pub fn through(asked: &ProxyArgs, ends: &mut [EndpointOptions<'_>]) -> Result<()> {
    let Some(proxy) = &asked.proxy else { return Ok(()) };
    let mut any = false;
    for end in ends.iter_mut() {
        let Some(host) = host(end.address) else { continue };
        any = true;
        end.options.proxy = match proxy.as_str() {
            "env" => environment(end.address, host, |name| std::env::var(name).ok())?,
            proxy => Some(named(proxy)?),
        };
    }
    if any {
        return Ok(());
    }
    Err(misplaced("--proxy", "tcp://, tls://, ws:// and wss://", ends))
}

/// Sets the proxy of a transfer, which tries the addresses of a ticket in turn.
#[cfg(unix)]
pub fn through_to_ticket(asked: &ProxyArgs, addresses: &[String], options: &mut Options) -> Result<()> {
    match asked.proxy.as_deref() {
        None => {}
        Some("env") => from_environment(addresses, options, |name| std::env::var(name).ok())?,
        Some(proxy) => options.proxy = Some(named(proxy)?),
    }
    Ok(())
}

/// Sets the proxy that the environment names for the addresses of a ticket, and the hosts for which it names none.
#[cfg(unix)]
fn from_environment(
    addresses: &[String],
    options: &mut Options,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<()> {
    for written in addresses {
        let address = match written.parse()? {
            Address::Tcp(at) => format!("tls://{at}").parse()?, // a ticket's port is one of TLS
            address => address,
        };
        let Some(host) = host(&address) else { continue };
        match (environment(&address, host, &variable)?, &options.proxy) {
            (None, _) => options.unproxied.push(host.to_owned()),
            (Some(proxy), Some(first)) if proxy != *first => {
                let error = Error::usage("the environment names more than one proxy for the addresses of this ticket");
                return Err(error.with_hint("name one of them: --proxy PROXY"));
            }
            (proxy, _) => options.proxy = proxy,
        }
    }
    Ok(())
}

/// Returns the proxy that the user named, whatever host it is for. The proxy from the environment depends on the host.
fn named(proxy: &str) -> Result<Proxy> {
    if !proxy.starts_with('@') {
        return proxy.parse();
    }
    secrets::line("--proxy", proxy)?.parse().map_err(|_: Error| {
        let error = Error::usage(format!("--proxy {proxy}: it does not name a proxy"));
        error.with_hint("such as socks5://USER:PASSWORD@HOST:1080 or http://HOST:3128")
    })
}

/// The host of an address, if a proxy can connect to it.
fn host(address: &Address) -> Option<&str> {
    match address {
        Address::Tcp(at) | Address::Tls(at) => Some(at.host()),
        Address::Ws(address) | Address::Wss(address) => Some(address.at.host()),
        _ => None,
    }
}

/// Returns the proxy that the environment names for an address, read as curl reads it.
fn environment(address: &Address, host: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>> {
    let either = |name: &str| {
        let set = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
        set.filter(|value| !value.is_empty())
    };
    if either("no_proxy").is_some_and(|list| excepts(&list, host)) {
        return Ok(None);
    }
    let own = match address {
        Address::Tls(_) | Address::Wss(_) => either("https_proxy"),
        Address::Ws(_) => either("http_proxy"),
        _ => None,
    };
    let Some(text) = own.or_else(|| either("all_proxy")) else { return Ok(None) };
    // The environment often names a proxy without a scheme, which means HTTP.
    let url = if text.contains("://") { text } else { format!("http://{text}") };
    url.parse().map(Some).map_err(|error: Error| {
        let told = Error::usage(format!("the environment's proxy: {error}"));
        match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    })
}

/// Whether a list of hosts and domains contains this host.
fn excepts(list: &str, host: &str) -> bool {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        entry == "*" || host == domain || host.ends_with(&format!(".{domain}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the proxy for an address if the environment has these variables.
    fn chosen(address: &str, set: &[(&str, &str)]) -> String {
        let address: Address = address.parse().unwrap();
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        match environment(&address, host(&address).unwrap(), variable) {
            Ok(proxy) => proxy.map_or("direct".to_owned(), |proxy| proxy.to_string()),
            Err(error) => error.to_string(),
        }
    }

    /// Returns the proxy and the hosts without one for the addresses of a ticket.
    fn for_ticket(addresses: &[&str], set: &[(&str, &str)]) -> Result<(Option<String>, Vec<String>)> {
        let addresses: Vec<String> = addresses.iter().map(|&address| address.to_owned()).collect();
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let mut options = Options::default();
        from_environment(&addresses, &mut options, variable)?;
        Ok((options.proxy.map(|proxy| proxy.to_string()), options.unproxied))
    }

    #[test]
    fn each_address_of_a_ticket_has_the_proxy_of_its_host() {
        let proxy = Some("socks5://gate:1080".to_owned());
        let set = [("all_proxy", "socks5://gate:1080"), ("no_proxy", "127.0.0.1,::1")];
        let both = for_ticket(&["192.0.2.7:1", "127.0.0.1:1", "[::1]:1"], &set).unwrap();
        assert_eq!(both, (proxy, vec!["127.0.0.1".to_owned(), "::1".to_owned()]));
        // A ticket's address without a scheme is TLS.
        let secure = [("https_proxy", "http://gate:3128"), ("http_proxy", "http://other:3128")];
        assert_eq!(for_ticket(&["192.0.2.7:1"], &secure).unwrap().0.unwrap(), "http://gate:3128");
        let two = for_ticket(&["192.0.2.7:1", "ws://192.0.2.7:1/"], &secure).unwrap_err().to_string();
        assert!(two.contains("more than one proxy"), "{two}");
        assert_eq!(for_ticket(&["192.0.2.7:1", "unix:/tmp/x"], &[]).unwrap(), (None, vec!["192.0.2.7".to_owned()]));
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let all = ("ALL_PROXY", "socks5://all:1");
        assert_eq!(chosen("tcp://a.test:1", &[]), "direct");
        assert_eq!(chosen("tcp://a.test:1", &[all]), "socks5://all:1");
        assert_eq!(chosen("tls://a.test:1", &[all, ("HTTPS_PROXY", "http://tls:2")]), "http://tls:2");
        assert_eq!(chosen("wss://a.test", &[all, ("https_proxy", "tls:2")]), "http://tls:2");
        assert_eq!(
            chosen("ws://a.test", &[("http_proxy", "http://small:1"), ("HTTP_PROXY", "http://big:2")]),
            "http://small:1"
        );
        assert_eq!(chosen("tcp://a.test:1", &[("HTTP_PROXY", "http://web:2")]), "direct");
        assert_eq!(chosen("tcp://a.test:1", &[("ALL_PROXY", "")]), "direct");
        let broken = chosen("tcp://a.test:1", &[("ALL_PROXY", "ftp://me:secret@x:1")]);
        assert!(broken.starts_with("the environment's proxy: ") && !broken.contains("secret"), "{broken}");
    }

    #[test]
    fn hosts_can_be_excepted() {
        let set = |list| [("ALL_PROXY", "socks5://all:1"), ("NO_PROXY", list)];
        for (list, host, direct) in [
            ("a.test", "a.test", true),
            ("A.TEST", "a.test", true),
            (".a.test", "b.a.test", true),
            ("*.a.test", "b.a.test", true),
            ("x, a.test", "b.a.test", true),
            ("a.test", "ba.test", false),
            ("*", "anything", true),
            ("", "a.test", false),
        ] {
            let found = chosen(&format!("tcp://{host}:1"), &set(list));
            assert_eq!(found == "direct", direct, "{list} {host}");
        }
    }
}
