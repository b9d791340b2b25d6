#include <math.h>

#include "runtime/kernel_abi.hpp"

namespace tenon::runtime {

// The double overloads of the C library; a static initialiser, so that the table is there before any constructor runs.
constinit const runtime_table host_table = {abi_version,
#define TENON_ENTRY_1(n) static_cast<unary_f64>(&::n),
#define TENON_ENTRY_2(n) static_cast<binary_f64>(&::n),
#define X(n, arity) TENON_ENTRY_##arity(n)
                                            TENON_RUNTIME_MATH(X)
#undef X
#undef TENON_ENTRY_1
#undef TENON_ENTRY_2
};

}  // namespace tenon::runtime
