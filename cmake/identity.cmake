# Writes OUTPUT, a header that defines TENON_IDENTITY: a hash over FILES (a file that lists the sources that decide what
# code is made), ROOT-relative names included, and VERSIONS (of LLVM and of the compiler). Run at build time, as a script.
file(STRINGS "${FILES}" names)
set(text "${VERSIONS}")
foreach(name IN LISTS names)
  file(SHA256 "${ROOT}/${name}" hash)
  string(APPEND text "\n${name} ${hash}")
endforeach()
string(SHA256 identity "${text}")
string(SUBSTRING "${identity}" 0 32 identity)
file(WRITE "${OUTPUT}" "#define TENON_IDENTITY \"${identity}\"\n")
