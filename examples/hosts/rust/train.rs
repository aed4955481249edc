//! train TRAIN_DIR BATCHES.safetensors ADAPTER.safetensors: trains, made from signature.json alone. No crates.
use std::{collections::HashMap, env, ffi::{CStr, CString}, fs, mem::transmute, os::raw::{c_char, c_void}, ptr::null_mut};

/// The functions of ONNX Runtime's C interface (OrtApi of onnxruntime_c_api.h), whose places never change.
type Table = *const *const c_void;
extern "C" { fn OrtGetApiBase() -> *const extern "C" fn(version: u32) -> Table; }
/// Calls a function by its place; panics with what it says when it fails.
macro_rules! ort {
    (@ $argument:expr) => { _ };
    ($table:ident[$place:literal] $($argument:expr),*) => {{
        let function: unsafe extern "C" fn($(ort!(@ $argument)),*) -> *mut c_void = transmute(*$table.add($place));
        let message: unsafe extern "C" fn(*mut c_void) -> *const c_char = transmute(*$table.add(2));
        let status = function($($argument),*);
        if !status.is_null() { panic!("{}", CStr::from_ptr(message(status)).to_string_lossy()) }
    }};
}

/// Items of a list of JSON, or keys and values of an object in turn, each as its text.
fn parts(json: &str) -> Vec<&str> {
    let (mut found, mut start, mut depth, mut quoted, mut before) = (vec![], 1, 0, false, ' ');
    for (at, c) in json.char_indices() {
        quoted ^= c == '"' && before != '\\';
        before = if before == '\\' { ' ' } else { c };
        depth += if quoted { 0 } else { "[{".contains(c) as i32 - "]}".contains(c) as i32 };
        if !quoted && (depth == 0 || depth == 1 && ",:".contains(c)) { found.push(json[start..at].trim()); start = at + 1 }
    }
    found.into_iter().filter(|part| !part.is_empty()).collect()
}
fn find<'a>(json: &'a str, key: &str) -> Option<&'a str> { parts(json).chunks(2).find(|pair| text(pair[0]) == key).map(|pair| pair[1]) }
fn get<'a>(json: &'a str, key: &str) -> &'a str { find(json, key).unwrap_or_else(|| panic!("there is no {key}")) }
fn number(json: &str, key: &str, otherwise: f64) -> f64 { find(json, key).map_or(otherwise, |value| value.parse().unwrap()) }
fn text(json: &str) -> String { json[1..json.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\") } // names have no other escapes
fn c(text: &str) -> CString { CString::new(text).unwrap() }
struct Tensor { kind: i32, shape: Vec<i64>, bytes: Vec<u8> }
fn read_safetensors(path: &str) -> (HashMap<String, Tensor>, String) {
    let (data, mut tensors, mut metadata) = (fs::read(path).expect(path), HashMap::new(), "{}".to_string());
    let start = 8 + u64::from_le_bytes(data[..8].try_into().unwrap()) as usize;
    for pair in parts(std::str::from_utf8(&data[8..start]).unwrap()).chunks(2) {
        if text(pair[0]) == "__metadata__" { metadata = pair[1].to_string(); continue }
        let numbers = |key| parts(get(pair[1], key)).iter().map(|n| n.parse().unwrap()).collect::<Vec<i64>>();
        let kinds = HashMap::from([("F32", 1), ("F16", 10), ("I64", 7), ("I32", 6), ("BOOL", 9)]); // ONNX's numbers of types
        let (kind, shape, at) = (kinds[text(get(pair[1], "dtype")).as_str()], numbers("shape"), numbers("data_offsets"));
        tensors.insert(text(pair[0]), Tensor { kind, shape, bytes: data[start + at[0] as usize..start + at[1] as usize].to_vec() });
    }
    (tensors, metadata)
}

fn main() { let words: Vec<String> = env::args().collect(); unsafe { train(&words[1], &words[2], &words[3]) } }
unsafe fn train(folder: &str, batches: &str, adapter: &str) {
    let signature = &fs::read_to_string(format!("{folder}/signature.json")).expect("signature.json");
    let (step, constants) = (get(get(signature, "graphs"), "step"), get(get(signature, "optimizer"), "constants"));
    assert!(find(signature, "rates").is_none(), "rates of groups of parameters are not supported");
    let ((mut held, metadata), (data, _)) = (read_safetensors(&format!("{folder}/state.safetensors")), read_safetensors(batches));
    let table = (*OrtGetApiBase())(17);
    let (mut env, mut options, mut session, mut memory) = (null_mut(), null_mut(), null_mut(), null_mut());
    ort!(table[3] 2i32, c("train").as_ptr(), &mut env as *mut *mut c_void); // CreateEnv
    ort!(table[10] &mut options as *mut *mut c_void); // CreateSessionOptions
    for pair in parts(get(signature, "session")).chunks(2) { ort!(table[130] options, c(&text(pair[0])).as_ptr(), c(&text(pair[1])).as_ptr()) } // AddSessionConfigEntry
    ort!(table[7] env, c(&format!("{folder}/{}", text(get(step, "file")))).as_ptr(), options, &mut session as *mut *mut c_void); // CreateSession
    ort!(table[69] 1i32, 0i32, &mut memory as *mut *mut c_void); // CreateCpuMemoryInfo
    let (inputs, outputs) = (parts(get(step, "inputs")), parts(get(step, "outputs")));
    let names = |ports: &[&str]| ports.iter().map(|port| c(&text(get(port, "name")))).collect::<Vec<_>>();
    let pointers = |names: &[CString]| names.iter().map(|name| name.as_ptr()).collect::<Vec<_>>();
    let (given, wanted, mut t, mut scale) = (names(&inputs), names(&outputs), 1, 1.0);
    for (index, rate) in data["lr"].bytes.chunks(4).enumerate() { // one rate for each step; the inputs of step K are K/NAME
        let correction = |beta| (1.0 - number(constants, beta, 0.0).powi(t)) as f32; // in f64: an f32 power of a large step loses digits
        let scalars = HashMap::from([("lr", f32::from_le_bytes(rate.try_into().unwrap())), ("loss_scale", scale), ("bc1", correction("beta1")),
            ("bc2", correction("beta2")), ("draw", (index % number(signature, "draws", 1.0) as usize) as f32)]);
        let (mut feeds, mut results) = (vec![], vec![null_mut::<c_void>(); outputs.len()]);
        for port in &inputs {
            let (name, role, mut feed) = (text(get(port, "name")), text(get(port, "role")), null_mut());
            let scalar = |name: &str| Tensor { kind: 1, shape: vec![], bytes: scalars[name].to_le_bytes().to_vec() };
            if role == "scalar" { held.insert(name.clone(), scalar(&text(get(port, "scalar")))); }
            let Tensor { kind, shape, bytes } = if role == "batch" || role == "label" { &data[&format!("{index}/{name}")] } else { &held[&name] };
            ort!(table[49] memory, bytes.as_ptr(), bytes.len(), shape.as_ptr(), shape.len(), *kind, &mut feed as *mut *mut c_void); // CreateTensorWithDataAsOrtValue
            feeds.push(feed);
        }
        let (from, to) = (pointers(&given), pointers(&wanted));
        ort!(table[9] session, null_mut::<c_void>(), from.as_ptr(), feeds.as_ptr(), feeds.len(), to.as_ptr(), to.len(), results.as_mut_ptr()); // Run
        for (output, result) in outputs.iter().zip(&results) {
            let (role, mut bytes) = (text(get(output, "role")), null_mut::<u8>());
            ort!(table[51] *result, &mut bytes as *mut *mut u8); // GetTensorMutableData
            if role == "loss" { println!("{}", *(bytes as *const f32)) }
            if role == "finite" { if *bytes != 0 { t += 1 } else { scale /= 2.0 } }
            for port in inputs.iter().filter(|port| find(port, "next") == find(output, "name")) {
                let own = held.get_mut(&text(get(port, "name"))).unwrap();
                own.bytes = std::slice::from_raw_parts(bytes, own.bytes.len()).to_vec();
            }
        }
        for value in feeds.into_iter().chain(results) { transmute::<_, unsafe extern "C" fn(*mut c_void)>(*table.add(96))(value) } // ReleaseValue
    }
    let (mut header, mut bytes) = (format!("{{\"__metadata__\":{metadata}"), vec![]);
    for row in parts(get(signature, "params")) {
        let (name, shape, from) = (get(row, "name"), get(row, "shape"), bytes.len());
        bytes.extend(&held[&text(name)].bytes);
        header += &format!(",{name}:{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{from},{}]}}", bytes.len());
    }
    header += &format!("}}{}", " ".repeat((7 - header.len() % 8) % 8));
    fs::write(adapter, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes].concat()).expect(adapter);
}
