//! The framings of the wire crate as a Python module: `unstick._unstick`, which the package `unstick` shows.
//!
//! Not here: sockets, which are the standard library's, in `unstick/link.py` and `unstick/aio.py`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyType};
use unstick_wire as wire;

/// Bytes from which on the interpreter's lock is given up while they are copied: below, giving it up costs more.
const LONG: usize = 256 << 10;

#[pymodule]
fn _unstick(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Framing>()?;
    module.add_class::<Decoder>()?;
    module.add_class::<Encoder>()?;
    module.add_class::<Messages>()
}

// ---- errors: the classes are Python's, see unstick/errors.py ----

fn class<'py>(py: Python<'py>, cell: &PyOnceLock<Py<PyType>>, name: &str) -> PyResult<Bound<'py, PyType>> {
    cell.import(py, "unstick.errors", name).cloned()
}

fn spec_error(py: Python<'_>, error: &wire::SpecError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = class(py, &CLASS, "SpecError").and_then(|class| class.call1((error.to_string(), error.hint())));
    made.map_or_else(|error| error, PyErr::from_value)
}

fn encode_error(py: Python<'_>, error: &wire::EncodeError) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = class(py, &CLASS, "MessageError").and_then(|class| class.call1((error.to_string(), error.hint())));
    made.map_or_else(|error| error, PyErr::from_value)
}

fn decode_error(py: Python<'_>, error: &wire::DecodeError, pending: &[u8]) -> PyErr {
    static BROKEN: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static LONG: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static CUT: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = match error {
        error if error.is_too_long() => class(py, &LONG, "MessageTooLong"),
        error if error.is_incomplete() => class(py, &CUT, "IncompleteMessage"),
        _ => class(py, &BROKEN, "FramingError"),
    };
    let pending = PyBytes::new(py, pending);
    let made = class.and_then(|class| class.call1((error.to_string(), error.hint(), error.offset(), pending)));
    made.map_or_else(|error| error, PyErr::from_value)
}

// ---- framings ----

/// Where messages begin and end in a stream, given by a spec such as ``u32be``, ``line``, ``struct:!I`` or ``http``.
///
/// ``unstick framings`` lists all specs. Raises :class:`SpecError` for an invalid one.
#[pyclass(frozen, module = "unstick", eq, hash)]
#[derive(PartialEq, Eq, Hash)]
struct Framing {
    spec: String,
    role: Option<Role>,
    inner: Parsed,
}

/// Framings are equal if their specs are.
struct Parsed(wire::Framing);

impl PartialEq for Parsed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Parsed {}

impl std::hash::Hash for Parsed {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Client,
    Server,
}

impl Role {
    fn parse(text: &str) -> PyResult<Self> {
        match text {
            "client" => Ok(Self::Client),
            "server" => Ok(Self::Server),
            other => Err(PyValueError::new_err(format!("a role is \"client\" or \"server\", not {other:?}"))),
        }
    }

    fn other(self) -> Self {
        if self == Self::Client { Self::Server } else { Self::Client }
    }

    fn wire(self) -> wire::Role {
        if self == Self::Client { wire::Role::Client } else { wire::Role::Server }
    }
}

#[pymethods]
impl Framing {
    #[new]
    fn new(py: Python<'_>, spec: &str) -> PyResult<Self> {
        let inner = wire::Framing::parse(spec).map_err(|error| spec_error(py, &error))?;
        Ok(Self { spec: spec.to_owned(), role: None, inner: Parsed(inner) })
    }

    /// The spec, as it was written.
    #[getter]
    fn spec(&self) -> &str {
        &self.spec
    }

    /// Whether the framing keeps message boundaries. ``raw`` and ``gap`` do not.
    #[getter]
    fn keeps_boundaries(&self) -> bool {
        self.inner.0.keeps_boundaries()
    }

    /// The framing of the direction that a ``"client"`` or a ``"server"`` sends. They differ for presets such as ``http``.
    fn sent_by(&self, role: &str) -> PyResult<Self> {
        let role = Role::parse(role)?;
        let inner = Parsed(self.inner.0.sent_by(role.wire()));
        Ok(Self { spec: self.spec.clone(), role: Some(role), inner })
    }

    /// A new :class:`Decoder` for one direction of one stream.
    fn decoder(&self) -> Decoder {
        Decoder(self.inner.0.decoder())
    }

    /// A new :class:`Encoder` for one direction of one stream.
    ///
    /// Raises :class:`SpecError` if the spec can only be decoded.
    fn encoder(&self, py: Python<'_>) -> PyResult<Encoder> {
        let inner = self.inner.0.encoder().map_err(|error| spec_error(py, &error))?;
        Ok(Encoder { inner, frame: Vec::new() })
    }

    /// The encoder for the direction that ``role`` sends, and the decoder for the other one, of one conversation: with ``http``
    /// the decoder knows that the response to a HEAD request has no body.
    fn conversation(&self, py: Python<'_>, role: &str) -> PyResult<(Encoder, Decoder)> {
        let role = Role::parse(role)?;
        let (sent, received) = (self.inner.0.sent_by(role.wire()), self.inner.0.sent_by(role.other().wire()));
        let mut encoder = sent.encoder().map_err(|error| spec_error(py, &error))?;
        let mut decoder = received.decoder();
        if let Some((ours, theirs)) = sent.dialogue_with(&received) {
            encoder.follow(&ours);
            decoder.follow(&theirs);
        }
        Ok((Encoder { inner: encoder, frame: Vec::new() }, Decoder(decoder)))
    }

    fn __repr__(&self) -> String {
        format!("Framing({:?})", self.spec)
    }
}

// ---- decoding ----

/// Finds the messages in one direction of one stream, however its bytes are cut. Does no I/O.
///
/// Its memory grows with the bytes that have arrived, never with the length that a header announces. After an error the
/// boundaries are lost, and every later call raises the same error.
#[pyclass(module = "unstick")]
struct Decoder(wire::Decoder);

#[pymethods]
impl Decoder {
    /// Takes the next bytes of the stream, and returns the messages that are now whole, in order.
    ///
    /// Reads ``bytes`` in place; copies other buffer objects once.
    ///
    /// If the bytes break the framing, the iteration yields the messages before them, and its next step raises
    /// :class:`FramingError` or :class:`MessageTooLong`.
    fn feed<'py>(&mut self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            let decoder = &mut self.0;
            if bytes.len() < LONG { decoder.feed(bytes) } else { py.detach(|| decoder.feed(bytes)) }
        } else {
            self.0.feed(&copied(data)?);
        }
        self.messages(py)
    }

    /// Takes the end of the stream, and returns the messages that the end completes.
    ///
    /// Raises :class:`IncompleteMessage` if it ended inside a message; ``pending`` holds the bytes of it that had arrived.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.finish();
        self.messages(py)
    }

    /// The bytes that have arrived of an incomplete message.
    #[getter]
    fn pending<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.pending())
    }

    /// Number of messages that were discarded because they were too long (``oversize=discard``).
    #[getter]
    fn discarded(&self) -> u64 {
        self.0.discarded()
    }
}

impl Decoder {
    fn messages<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut ready = Vec::new();
        loop {
            match self.0.next() {
                Ok(Some(message)) => ready.push(PyBytes::new(py, message)),
                Ok(None) => return PyList::new(py, ready).map(Bound::into_any),
                Err(error) => {
                    let error = decode_error(py, &error, self.0.pending());
                    if ready.is_empty() {
                        return Err(error);
                    }
                    let ready = ready.into_iter().map(Bound::unbind).collect::<Vec<_>>().into_iter();
                    return Bound::new(py, Messages { ready, error: Some(error) }).map(Bound::into_any);
                }
            }
        }
    }
}

/// Messages before an error, and then the error.
#[pyclass(module = "unstick")]
struct Messages {
    ready: std::vec::IntoIter<Py<PyBytes>>,
    error: Option<PyErr>,
}

#[pymethods]
impl Messages {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&mut self) -> PyResult<Option<Py<PyBytes>>> {
        match self.ready.next() {
            Some(message) => Ok(Some(message)),
            None => self.error.take().map_or(Ok(None), Err),
        }
    }
}

// ---- encoding ----

/// Encodes messages as frames, for one direction of one stream. Does no I/O.
#[pyclass(module = "unstick")]
struct Encoder {
    inner: wire::Encoder,
    /// Kept between calls: its room is used anew.
    frame: Vec<u8>,
}

/// Bytes of room that an encoder keeps for the next frame.
const KEPT: usize = 64 << 10;

#[pymethods]
impl Encoder {
    /// The bytes of ``message`` on the wire.
    ///
    /// Raises :class:`MessageError` if the framing cannot carry it unchanged: it is too long, or contains the
    /// delimiter. The next message can be encoded.
    fn encode<'py>(&mut self, py: Python<'py>, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.frame.clear();
        self.append(py, message)?;
        Ok(self.taken(py))
    }

    /// The bytes of several messages on the wire, all or none: raises :class:`MessageError` if one of them cannot be carried.
    fn encode_all<'py>(&mut self, py: Python<'py>, messages: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        self.frame.clear();
        for message in messages.try_iter()? {
            self.append(py, &message?)?;
        }
        Ok(self.taken(py))
    }
}

impl Encoder {
    fn append(&mut self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let encoded = match message.cast::<PyBytes>() {
            Ok(bytes) => self.inner.encode(bytes.as_bytes(), &mut self.frame),
            Err(_) => self.inner.encode(&copied(message)?, &mut self.frame),
        };
        encoded.map_err(|error| encode_error(py, &error))
    }

    fn taken<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let frame = PyBytes::new(py, &self.frame);
        if self.frame.capacity() > KEPT {
            self.frame = Vec::new();
        }
        frame
    }
}

/// The bytes of an object with a buffer that is not `bytes`: the stable interface of Python 3.9 lends only those.
fn copied(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = object.py();
    let wrong = || {
        let name = object.get_type().name().map_or_else(|_| "this".to_owned(), |name| name.to_string());
        let hint = if name == "str" { ": text.encode() makes bytes of it" } else { "" };
        PyTypeError::new_err(format!("a message is bytes, not {name}{hint}"))
    };
    let view = py.import("builtins")?.getattr("memoryview")?.call1((object,)).map_err(|_| wrong())?;
    Ok(view.call_method0("tobytes")?.cast::<PyBytes>().map_err(|_| wrong())?.as_bytes().to_vec())
}
