from tests.pages.conftest import page as page
from tests.pages.conftest import site_url as site_url
