# How Ruby's wrappers use the library: through its foreign functions, changing a field before they unload.
require "fiddle"
require "fiddle/import"

module Stapsdt
  extend Fiddle::Importer
  dlload "libstapsdt.so.0"
  extern "void *providerInit(const char *)"
  extern "int providerUseMemfd(void *, int)"
  extern "void *providerAddProbe(void *, const char *, int, int, int, int, int, int, int)"
  extern "int providerLoad(void *)"
  extern "int providerUnload(void *)"
  extern "void providerDestroy(void *)"
  extern "int probeIsEnabled(void *)"
  extern "void probeFire(void *, long, long, const char *, long, long, long)"
  Provider = struct([
    "char *name", "void *probes", "int errno", "char *error",
    "void *handle", "char *filename", "int memfd", "int use_memfd",
  ])
end

def check(holds, what)
  abort "not so: #{what}" unless holds
end

pointer = Stapsdt.providerInit("rubyProvider")
provider = Stapsdt::Provider.new(pointer)
check(provider.name.to_s == "rubyProvider" && provider.errno == -1, "a new provider")
check(Stapsdt.providerUseMemfd(pointer, 0) == 1, "a file")
probe = Stapsdt.providerAddProbe(pointer, "probe", 6, 8, -8, 8, 1, 2, -4)
check(Stapsdt.providerLoad(pointer) == 0, "loading")
file = provider.filename.to_s
check(File.exist?(file), "the file")
Stapsdt.probeFire(probe, 1, -2, "three", 4, 5, -6)
check(Stapsdt.probeIsEnabled(probe) == 0, "an untraced probe")
provider.filename = nil
check(Stapsdt.providerUnload(pointer) == 0, "unloading")
check(!File.exist?(file), "the file's end")
Stapsdt.providerDestroy(pointer)
puts "done"
