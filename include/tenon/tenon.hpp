// All that a user needs.
#pragma once
#include "tenon/core/dtype.hpp"
#include "tenon/core/error.hpp"
#include "tenon/core/extent.hpp"
#include "tenon/dsl/compiled.hpp"
#include "tenon/dsl/control.hpp"
#include "tenon/dsl/doctor.hpp"
#include "tenon/dsl/elementwise.hpp"
#include "tenon/dsl/index.hpp"
#include "tenon/dsl/jit.hpp"
#include "tenon/dsl/options.hpp"
#include "tenon/dsl/param.hpp"
#include "tenon/dsl/tensor.hpp"
#include "tenon/graph/graph.hpp"
#include "tenon/graph/pass.hpp"
#include "tenon/nn/layers.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/runtime/array.hpp"
#include "tenon/runtime/executor.hpp"
#include "tenon/runtime/memory.hpp"
#include "tenon/runtime/param_set.hpp"
#include "tenon/runtime/print.hpp"
#include "tenon/runtime/view.hpp"
#include "tenon/schedule/schedule.hpp"

// from_dlpack and to_dlpack, where DLPack's own header is (Debian's libdlpack-dev).
#if __has_include(<dlpack/dlpack.h>)
#include "tenon/runtime/dlpack.hpp"
#endif
