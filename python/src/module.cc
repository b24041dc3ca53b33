// The native module sylvester._core: types, errors, and the three groups of functions.
#include <nanobind/eval.h>

#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"

#include "bind.h"

namespace sylvester::python {
namespace {

// Errors of the library as Python exceptions (INTERFACES: FormatError carries file, offset, field).
void bind_errors(nb::module_& m) {
  static nb::object format_error = m.attr("__dict__")["FormatError"];
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const FormatError& e) {
      nb::object error = format_error(e.what());
      error.attr("file") = e.file();
      error.attr("offset") = e.offset();
      error.attr("field") = e.field();
      PyErr_SetObject(format_error.ptr(), error.ptr());
    } catch (const IoError& e) {
      nb::object error = nb::borrow(PyExc_OSError)(e.error_number(), e.what(), e.path());
      PyErr_SetObject(PyExc_OSError, error.ptr());
    } catch (const UnsupportedError& e) {
      PyErr_SetString(PyExc_NotImplementedError, e.what());
    } catch (const NumericsError& e) {
      PyErr_SetString(PyExc_FloatingPointError, e.what());
    } catch (const Error& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    }
  });
}

}  // namespace

NB_MODULE(_core, m) {
  m.doc() = "Native half of the package sylvester; use `import sylvester`.";
  nb::exec(R"(
class FormatError(ValueError):
    """A file's bytes break a rule of its format; .file .offset .field name the place."""
    file = None
    offset = None
    field = None
)",
           m.attr("__dict__"));
  bind_errors(m);
  m.def("set_target", [](const std::string& name) { set_target(parse_target(name)); });
  m.def("current_target", [] { return to_string(current_target()); });
  m.def("available_targets", [] {
    std::vector<std::string> names;
    for (const Target t : available_targets()) names.push_back(to_string(t));
    return names;
  });
  m.def("set_num_threads", &set_num_threads);
  m.def("num_threads", &num_threads);
  bind_numerics(m);
  bind_device(m);
  bind_models(m);
  bind_tools(m);
}

}  // namespace sylvester::python
