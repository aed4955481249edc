// train TRAIN_DIR BATCHES.safetensors ADAPTER.safetensors: trains, made from signature.json alone. Nothing but the base library.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Runtime.Serialization.Json;
using System.Xml;

static class Program {
    // functions of ONNX Runtime's C interface (OrtApi of onnxruntime_c_api.h)
    delegate IntPtr Api(uint version); delegate IntPtr Message(IntPtr status); delegate void Release(IntPtr value);
    delegate IntPtr NewEnv(int level, string name, out IntPtr env);
    delegate IntPtr NewOptions(out IntPtr options); delegate IntPtr DataOf(IntPtr value, out IntPtr data);
    delegate IntPtr AddEntry(IntPtr options, string key, string value);
    delegate IntPtr NewSession(IntPtr env, string path, IntPtr options, out IntPtr session);
    delegate IntPtr NewMemory(int allocator, int kind, out IntPtr memory);
    delegate IntPtr NewValue(IntPtr memory, IntPtr data, UIntPtr bytes, long[] shape, UIntPtr rank, int kind, out IntPtr value);
    delegate IntPtr Run(IntPtr session, IntPtr options, string[] from, IntPtr[] feeds, UIntPtr count, string[] to, UIntPtr wanted, [In, Out] IntPtr[] results);
    [DllImport("onnxruntime")] static extern IntPtr OrtGetApiBase();
    static readonly IntPtr table = At<Api>(0, OrtGetApiBase())(17);
    // a function by its place, which never changes
    static T At<T>(int place, IntPtr? of = null) { return Marshal.GetDelegateForFunctionPointer<T>(Marshal.ReadIntPtr(of ?? table, place * IntPtr.Size)); }
    static void Check(IntPtr status) { if (status != IntPtr.Zero) throw new Exception(Marshal.PtrToStringAnsi(At<Message>(2)(status))); }
    class Tensor {
        public int Kind; public long[] Shape; public byte[] Bytes; public IntPtr Data; // bytes stay where they are: values of ONNX Runtime refer to them
        public Tensor(string kind, long[] shape, byte[] bytes) {
            Kind = new Dictionary<string, int> { { "F32", 1 }, { "F16", 10 }, { "I64", 7 }, { "I32", 6 }, { "BOOL", 9 } }[kind]; // ONNX's numbers of types
            Shape = shape; Bytes = bytes; Data = GCHandle.Alloc(bytes, GCHandleType.Pinned).AddrOfPinnedObject();
        }
    }
    // JSON as elements, whose name is the key; a key that cannot be a name is in the attribute "item"
    static XmlElement Parse(byte[] json) {
        var document = new XmlDocument();
        document.Load(JsonReaderWriterFactory.CreateJsonReader(json, XmlDictionaryReaderQuotas.Max));
        return document.DocumentElement;
    }
    static XmlElement[] Parts(XmlElement json) { return json.ChildNodes.OfType<XmlElement>().ToArray(); }
    static string Key(XmlElement json) { return json.HasAttribute("item") ? json.GetAttribute("item") : json.Name; }
    static XmlElement Find(XmlElement json, string key) { return Parts(json).FirstOrDefault(part => Key(part) == key); }
    static string Text(XmlElement json, string key) { return Find(json, key)?.InnerText; }
    static double Number(XmlElement json, string key, double otherwise) { return Find(json, key) == null ? otherwise : XmlConvert.ToDouble(Text(json, key)); }
    static Dictionary<string, Tensor> ReadSafetensors(string path, out XmlElement header) {
        var data = File.ReadAllBytes(path);
        var start = 8 + (int)BitConverter.ToInt64(data, 0);
        header = Parse(data.Skip(8).Take(start - 8).ToArray());
        return Parts(header).Where(entry => Key(entry) != "__metadata__").ToDictionary(Key, entry => {
            Func<string, long[]> numbers = key => Parts(Find(entry, key)).Select(part => XmlConvert.ToInt64(part.InnerText)).ToArray();
            var at = numbers("data_offsets");
            return new Tensor(Text(entry, "dtype"), numbers("shape"), data.Skip(start + (int)at[0]).Take((int)(at[1] - at[0])).ToArray());
        });
    }

    static void Main(string[] words) {
        var signature = Parse(File.ReadAllBytes($"{words[0]}/signature.json"));
        if (Find(signature, "rates") != null) throw new Exception("rates of groups of parameters are not supported");
        XmlElement step = Find(Find(signature, "graphs"), "step"), constants = Find(Find(signature, "optimizer"), "constants"), header, other;
        var held = ReadSafetensors($"{words[0]}/state.safetensors", out header);
        var data = ReadSafetensors(words[1], out other); // "lr" [steps], and the inputs of step K under K/NAME
        IntPtr env, options, session, memory;
        Check(At<NewEnv>(3)(2, "train", out env)); Check(At<NewOptions>(10)(out options)); Check(At<NewMemory>(69)(1, 0, out memory)); // of the CPU
        foreach (var entry in Parts(Find(signature, "session"))) Check(At<AddEntry>(130)(options, Key(entry), entry.InnerText));
        Check(At<NewSession>(7)(env, $"{words[0]}/{Text(step, "file")}", options, out session));
        XmlElement[] inputs = Parts(Find(step, "inputs")), outputs = Parts(Find(step, "outputs"));
        Func<XmlElement[], string[]> names = ports => ports.Select(port => Text(port, "name")).ToArray();
        double t = 1, scale = 1, draws = Number(signature, "draws", 1);
        for (var number = 0; number < data["lr"].Shape[0]; number++) {
            Func<string, double> correction = beta => 1 - Math.Pow(Number(constants, beta, 0), t); // in double: a float32 power of a large step loses digits
            var scalars = new Dictionary<string, double> { { "lr", BitConverter.ToSingle(data["lr"].Bytes, 4 * number) }, { "loss_scale", scale },
                { "draw", number % draws }, { "bc1", correction("beta1") }, { "bc2", correction("beta2") } };
            var feeds = inputs.Select(port => {
                string name = Text(port, "name"), role = Text(port, "role");
                if (role == "scalar") held[name] = new Tensor("F32", new long[0], BitConverter.GetBytes((float)scalars[Text(port, "scalar")]));
                var given = role == "batch" || role == "label" ? data[$"{number}/{name}"] : held[name];
                Check(At<NewValue>(49)(memory, given.Data, (UIntPtr)given.Bytes.Length, given.Shape, (UIntPtr)given.Shape.Length, given.Kind, out var value));
                return value;
            }).ToArray();
            var results = new IntPtr[outputs.Length];
            Check(At<Run>(9)(session, IntPtr.Zero, names(inputs), feeds, (UIntPtr)feeds.Length, names(outputs), (UIntPtr)results.Length, results));
            for (var at = 0; at < outputs.Length; at++) {
                Check(At<DataOf>(51)(results[at], out var result));
                string name = Text(outputs[at], "name"), role = Text(outputs[at], "role");
                if (role == "loss") Console.WriteLine(XmlConvert.ToString(Marshal.PtrToStructure<float>(result)));
                if (role == "finite") { if (Marshal.ReadByte(result) != 0) t++; else scale /= 2; }
                foreach (var own in inputs.Where(port => Text(port, "next") == name).Select(port => held[Text(port, "name")].Bytes)) Marshal.Copy(result, own, 0, own.Length);
            }
            foreach (var value in feeds.Concat(results)) At<Release>(96)(value);
        }
        var bytes = new List<byte>(); // the header of the state, with the places of what it keeps of it
        foreach (var entry in Parts(header).Where(entry => Key(entry) != "__metadata__")) {
            if (Parts(Find(signature, "params")).All(row => Text(row, "name") != Key(entry))) { header.RemoveChild(entry); continue; }
            for (var end = 0; end < 2; end++) Parts(Find(entry, "data_offsets"))[end].InnerText = $"{bytes.Count + end * held[Key(entry)].Bytes.Length}";
            bytes.AddRange(held[Key(entry)].Bytes);
        }
        var json = new MemoryStream();
        using (var writer = JsonReaderWriterFactory.CreateJsonWriter(json)) header.WriteTo(writer);
        var text = json.ToArray().Concat(Enumerable.Repeat((byte)' ', (8 - json.ToArray().Length % 8) % 8)).ToArray();
        File.WriteAllBytes(words[2], BitConverter.GetBytes((long)text.Length).Concat(text).Concat(bytes).ToArray());
    }
}
